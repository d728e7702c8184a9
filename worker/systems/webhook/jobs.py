"""Jobs: those that a sender wrote itself, and the hints that are made for other senders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from schemas.job import VERSION, Job
from worker.systems.webhook.bodies import write
from worker.systems.webhook.contract import MAX_JOBS, Refused

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


def job(value: Any, allowed: Collection[str]) -> str:
    """Return a job as text. Raises Refused unless it is a job for one of the `allowed` providers."""
    try:
        provider = Job.model_validate(value).provider
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        path = ".".join(map(str, first["loc"])) or "the job"
        raise Refused(400, "not_a_job", f"{path}: {first['msg']}") from None
    except RecursionError:
        raise Refused(400, "not_json", "the job is nested too deep") from None
    if provider not in allowed:
        raise Refused(400, "not_allowed", f"this producer may push for {', '.join(sorted(allowed))} only")
    return write(value)


def hints(provider: str, ids: Sequence[Any]) -> list[str]:
    """Return one hint for each id, without repetitions. Raises Refused for a value that cannot be an id."""
    return [job(_hint(provider, external_id), {provider}) for external_id in dict.fromkeys(map(_id, limited(ids)))]


def limited(items: Sequence[Any]) -> Sequence[Any]:
    """Return the items of a request; raise Refused, before any work is done for them, if they are too many."""
    if len(items) > MAX_JOBS:
        raise Refused(413, "too_many", f"one request may carry at most {MAX_JOBS} jobs")
    return items


def _hint(provider: str, external_id: str) -> dict[str, Any]:
    return {"v": VERSION, "provider": provider, "external_id": external_id}


def _id(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise Refused(400, "not_an_id", "the id of an order must be text or a whole number")
    return str(value).strip()
