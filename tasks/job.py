"""Reading a job: whether it is one, who pushed it, whether they may, the order that it carries."""

from __future__ import annotations

import hmac
from decimal import Decimal
from typing import TYPE_CHECKING

import simplejson
from pydantic import ValidationError

from schemas.job import Job, Signed
from schemas.order import Order
from tasks.accept import normalized
from worker.errors import Malformed, PermanentError
from worker.providers.contract import Record

if TYPE_CHECKING:
    from typing import Any

    from worker.runtime import Runtime


class BadJob(Exception):  # never leaves this module
    """A job that cannot be taken in: a short name of the cause, the reason (no personal data), its provider."""

    def __init__(self, code: str, reason: str, provider: str = "") -> None:
        super().__init__(reason)
        self.code, self.reason, self.provider = code, reason, provider


def job_of(rt: Runtime, raw: bytes) -> Job:
    """The job, if it is one and may be pushed by whoever pushed it."""
    if len(raw) > rt.settings.inbox.max_bytes:
        raise BadJob("too_large", f"{len(raw)} bytes; a job has at most {rt.settings.inbox.max_bytes}")
    said = _json(raw)
    producer = None
    if isinstance(said, dict) and "signature" in said:
        signed = _model(Signed, said)
        producer = signed.producer
        _verify(rt, signed)
        said = _json(signed.job.encode("utf-8", "surrogatepass"))
    job: Job = _model(Job, said)
    _allow(rt, job, producer)
    return job


def _json(raw: bytes) -> Any:
    try:
        return simplejson.loads(raw.decode("utf-8"), parse_float=Decimal)
    except (ValueError, RecursionError):
        raise BadJob("not_json", "it is not JSON, or nested too deep") from None


def _model(model: type[Any], said: Any) -> Any:
    try:
        return model.model_validate(said)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        path = ".".join(map(str, first["loc"])) or "the job"
        raise BadJob("not_a_job", f"{path}: {first['msg']}") from None
    except RecursionError:
        raise BadJob("not_json", "it is nested too deep") from None


def _verify(rt: Runtime, signed: Signed) -> None:
    producer = rt.settings.producers.get(signed.producer)
    if producer is None or producer.secret is None:
        raise BadJob("signature", f"no producer {signed.producer} with a secret is known here")
    message = f"{signed.at}.{signed.job}".encode("utf-8", "surrogatepass")
    wanted = hmac.new(producer.secret.get_secret_value().encode(), message, "sha256").hexdigest()
    if not hmac.compare_digest(wanted, signed.signature):
        raise BadJob("signature", f"the signature of {signed.producer} does not fit")
    age = int(rt.cursors.now()) / 1000 - signed.at
    if abs(age) > rt.settings.inbox.tolerance:
        raise BadJob("signature_age", f"signed {age:.0f} s ago; {rt.settings.inbox.tolerance:.0f} s are allowed")


def _allow(rt: Runtime, job: Job, producer: str | None) -> None:
    known = job.provider in rt.settings.providers or job.provider in rt.settings.producers
    if not known:
        raise BadJob("unknown_provider", f"no provider or producer {job.provider} is known here", job.provider)
    if producer is None:
        if rt.settings.inbox.unsigned == "refuse":
            raise BadJob("unsigned", "jobs must be signed here", job.provider)
    elif job.provider != producer and job.provider not in rt.settings.producers[producer].pushes_for:
        raise BadJob("not_allowed", f"producer {producer} may not push for {job.provider}", job.provider)


def order_of(rt: Runtime, job: Job) -> Order:
    """The order of a job that carries one."""
    provider = rt.providers.get(job.provider)
    try:
        if job.order is not None:
            return _pushed(job)
        if provider is None:
            raise BadJob("no_record", f"{job.provider} is a producer: it pushes `order`", job.provider)
        return normalized(provider, Record(job.record or {}))
    except PermanentError as error:
        raise BadJob(error.code, str(error), job.provider) from None
    except RecursionError:
        raise BadJob("not_json", "it is nested too deep", job.provider) from None


def _pushed(job: Job) -> Order:
    given = job.order or {}
    if given.get("provider", job.provider) != job.provider:
        raise Malformed("order.provider: is not the provider of the job", "order.provider")
    try:
        return Order.model_validate({**given, "provider": job.provider})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        path = ".".join(map(str, ("order", *first["loc"])))
        raise Malformed(f"{path}: {first['msg']}", path) from None
