"""Read a job: validate it, verify its producer and what the producer may push, and read the order it carries."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from schemas.job import AHEAD, Job, Signed
from schemas.order import Order
from worker.errors import Malformed
from worker.inbox.record import check_version
from worker.jsontext.decoding import decode, decode_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.settings.load import Settings


class BadJob(Exception):  # the callers of this module handle it
    """A job that cannot be ingested: a short name of the cause, the reason (no personal data), and the provider."""

    def __init__(self, code: str, reason: str, provider: str = "") -> None:
        super().__init__(reason)
        self.code, self.reason, self.provider = code, reason, provider


def read_job(settings: Settings, raw: bytes, now: Callable[[], float]) -> Job:
    """Return the job in `raw`. Raise BadJob if it is not a job, or if its producer may not push it.

    `now` returns the Unix time by which the age of a signature is checked.
    """
    if len(raw) > settings.inbox.max_bytes:
        raise BadJob("too_large", f"{len(raw)} bytes; a job has at most {settings.inbox.max_bytes}")
    document = _parse_json(raw)
    producer, signed = None, None
    if isinstance(document, dict) and "signature" in document:
        # As it is: the signature was made with every character of the job.
        signed = _validate(Signed, _parse_json(raw, lambda raw: decode_text(raw.decode())))
        producer = settings.ledger_provider(signed.producer)
        _verify_signature(settings, signed, now)
        document = _parse_json(signed.job.encode("utf-8", "surrogatepass"))
    job = _under_ledger_name(settings, _validate(Job, document))
    if signed is not None and job.sent_at is None:
        # A job that is pushed again later is as old as it was: newer content stays.
        job = job.model_copy(update={"sent_at": datetime.fromtimestamp(signed.at, UTC)})
    _check_permission(settings, job, producer)
    return job


def _under_ledger_name(settings: Settings, job: Job) -> Job:
    """Return the job with the name that the ledger has for its provider: a producer may use any name that it had."""
    name = settings.ledger_provider(job.provider)
    if name == job.provider:
        return job
    order = job.order
    if order is not None and order.get("provider") == job.provider:
        order = {**order, "provider": name}
    return job.model_copy(update={"provider": name, "order": order})


def _parse_json(raw: bytes, read: Callable[[bytes], Any] = decode) -> Any:
    try:
        return read(raw)
    except ValueError:
        raise BadJob("not_json", "it is not JSON, or nested too deep") from None


def _validate(model: type[Any], document: Any) -> Any:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        path, message = _first_error(error)
        raise BadJob("not_a_job", f"{path or 'the job'}: {message}") from None
    except RecursionError:
        raise BadJob("not_json", "it is nested too deep") from None


def _first_error(error: ValidationError, *prefix: str) -> tuple[str, str]:
    """Return the path and the message of the first error, without the value, which may be personal data."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    return ".".join(map(str, (*prefix, *first["loc"]))), first["msg"]


def _verify_signature(settings: Settings, signed: Signed, now: Callable[[], float]) -> None:
    producer = settings.producers.get(settings.ledger_provider(signed.producer))
    if producer is None or producer.secret is None:
        raise BadJob("signature", f"no producer {signed.producer} with a secret is known here")
    if not any([signed.signed_by(secret) for secret in producer.secrets]):  # noqa: C419  # all of them
        raise BadJob("signature", f"the signature of {signed.producer} does not match")
    age = now() - signed.at
    tolerance = settings.tolerance_of(settings.ledger_provider(signed.producer))
    if not -AHEAD <= age <= tolerance:
        allowed = f"{-AHEAD} to {tolerance:.0f} s"
        raise BadJob("signature_age", f"signed {age:.0f} s ago; {allowed} are allowed")


def _check_permission(settings: Settings, job: Job, producer: str | None) -> None:
    if job.provider not in settings.providers and job.provider not in settings.producers:
        raise BadJob("unknown_provider", f"no provider or producer {job.provider} is known here", job.provider)
    if job.order is None and job.provider not in settings.providers:
        raise BadJob("no_record", f"{job.provider} is a producer: it pushes `order`", job.provider)
    if producer is None:
        if settings.inbox.unsigned == "refuse":
            raise BadJob("unsigned", "jobs must be signed here", job.provider)
    elif job.provider != producer and job.provider not in settings.producers[producer].pushes_for:
        raise BadJob("not_allowed", f"producer {producer} may not push for {job.provider}", job.provider)
    elif job.external_id is None and settings.producers[producer].hints_only:
        raise BadJob("not_allowed", f"producer {producer} may push hints only (external_id)", job.provider)
    if not any(route.source == job.provider for route in settings.routes):
        raise BadJob("no_route", f"no route is from {job.provider}: the order would go nowhere", job.provider)


def order_in(job: Job) -> Order:
    """Return the order of a job that carries it in the format of Intake. Raise Malformed."""
    fields = job.order or {}
    if fields.get("provider", job.provider) != job.provider:
        raise Malformed("order.provider: is not the provider of the job", "order.provider")
    try:
        return check_version(Order.model_validate({**fields, "provider": job.provider}))
    except ValidationError as error:
        path, message = _first_error(error, "order")
        raise Malformed(f"{path}: {message}", path) from None
