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
#: More microseconds than any moment has, up to the year 9999.
_SPAN: Final = 10**18


def job_of(rt: Runtime, raw: bytes) -> Job:
    """Return the job in `raw`. Raise BadJob if it is not a job, or if its producer may not push it."""
    return read_job(rt.settings, raw, lambda: rt.cursors.now() / 1000)


def order_of(rt: Runtime, job: Job) -> Order:
    """Return the order that the job carries. Raise BadJob if it cannot be read."""
    try:
        if job.order is not None:
            with isolated("reading the order"):
                return _with_version(rt, job, order_in(job))
        return _with_version(rt, job, to_order(rt.providers[job.provider], Record(job.record or {})))
    except PermanentError as error:
        raise BadJob(error.code, str(error), job.provider) from None


def _with_version(rt: Runtime, job: Job, order: Order) -> Order:
    """Return the order with a version, which shows which of two contents is newer.

    An order that has none is as old as its `updated_at`, or else as its job; of two with the same `updated_at`, the one
    that was sent later is newer. For a provider that is polled, such a version is below zero: a time and the provider's
    own versions cannot be compared, so what was read at the provider is always newer.
    """
    if order.version is not None:
        return order
    sent = _microseconds(job.sent_at) if job.sent_at else 0
    changed = _microseconds(order.updated_at) if order.updated_at else sent
    version = changed * _SPAN + sent
    if job.provider not in rt.settings.producers:
        version -= _SPAN * _SPAN
    return order.model_copy(update={"version": version or None})


def _microseconds(moment: datetime) -> int:
    return max(0, (moment - _EPOCH) // timedelta(microseconds=1))
