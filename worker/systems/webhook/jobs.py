"""Jobs: those that a sender wrote itself, and the hints that are made for one that did not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from schemas.job import VERSION, Job
from worker.systems.webhook.bodies import write
from worker.systems.webhook.contract import Refused

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


def job(said: Any, allowed: Collection[str]) -> str:
    """The text of a job that may be pushed for one of the `allowed` providers; raises Refused."""
    try:
        provider = Job.model_validate(said).provider
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        path = ".".join(map(str, first["loc"])) or "the job"
        raise Refused(400, "not_a_job", f"{path}: {first['msg']}") from None
    except RecursionError:
        raise Refused(400, "not_json", "the job is nested too deep") from None
    if provider not in allowed:
        raise Refused(400, "not_allowed", f"this producer may push for {', '.join(sorted(allowed))} only")
    return write(said)


def hints(provider: str, ids: Iterable[Any]) -> list[str]:
    """A job for each id, once; raises Refused for what cannot be the id of an order."""
    return [job(_hint(provider, one), {provider}) for one in dict.fromkeys(map(_id, ids))]


def _hint(provider: str, external_id: str) -> dict[str, Any]:
    return {"v": VERSION, "provider": provider, "external_id": external_id}


def _id(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise Refused(400, "not_an_id", "the id of an order must be text or a whole number")
    return str(value).strip()
