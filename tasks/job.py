"""Reading a job from the inbox, and the order that it carries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from worker.errors import PermanentError
from worker.inbox.reading import BadJob, order_in, read_job
from worker.inbox.record import isolated, to_order
from worker.systems.provider import Record

if TYPE_CHECKING:
    from schemas.job import Job
    from schemas.order import Order
    from worker.runtime import Runtime

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def job_of(rt: Runtime, raw: bytes) -> Job:
    """Return the job in `raw`. Raise BadJob if it is not a job, or if its producer may not push it."""
    return read_job(rt.settings, raw, lambda: rt.cursors.now() / 1000)


def order_of(rt: Runtime, job: Job) -> Order:
    """Return the order that the job carries. Raise BadJob if it cannot be read."""
    try:
        if job.order is not None:
            with isolated("reading the order"):
                return _dated(rt, job, order_in(job))
        return to_order(rt.providers[job.provider], Record(job.record or {}))
    except PermanentError as error:
        raise BadJob(error.code, str(error), job.provider) from None


def _dated(rt: Runtime, job: Job, order: Order) -> Order:
    """Use the time of sending as the version of a producer's order that has none, to tell which content is newer."""
    if order.version is not None or job.sent_at is None or job.provider not in rt.settings.producers:
        return order
    return order.model_copy(update={"version": (job.sent_at - _EPOCH) // timedelta(microseconds=1)})
