"""Listen: take jobs from the inbox as producers push them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import structlog

from tasks.ingest import Result, ingest
from tasks.outcomes import log_ending
from worker.app import app
from worker.errors import StoreFull
from worker.runtime import runtime
from worker.store.inbox import POISON, Letter
from worker.store.redis.connection import ERRORS
from worker.telemetry import traces
from worker.telemetry.log import report_store_full

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.app import Nudge
    from worker.runtime import Runtime
    from worker.store.inbox import Taken, Taker

log = structlog.get_logger()

#: Most jobs to take at once.
BATCH: Final = 200
#: Seconds to wait while Redis is unavailable or full.
PAUSE: Final = 1.0
#: Seconds until the next attempt at a job that needs a call to its provider, after that call failed.
LATER: Final = 15.0


@app.task(name="tasks.ingest", Request="worker.app.private_request:PrivateRequest")
def push(job: str) -> None:
    """Push a job for a producer that has only a Celery client: `send_task("tasks.ingest", [JOB])`.

    `JOB` is the text of a job (see `schemas/job.py`). The job is safe in the inbox once this task has run. Until then
    it is a Celery message, which is lost with a worker that is killed at the wrong moment. A producer should use
    `LPUSH` where it can.
    """
    runtime().inbox.push([job])


def listen(rt: Runtime, nudge: Nudge, going: Callable[[], bool]) -> None:
    """Take and ingest jobs while `going()` is true. Continue after any failure of Redis or of a job."""
    while going():
        try:
            with log_ending("taker.fenced") as ending, rt.inbox.taker() as taker:
                while going():
                    if not _take_if_room(rt, taker, nudge):
                        rt.inbox.wait(1)
        except ERRORS as error:
            log.error("inbox.away", reason=type(error).__name__, remedy="look at Redis; it goes on by itself")
            time.sleep(PAUSE)
        else:
            if isinstance(ending.error, StoreFull):
                time.sleep(PAUSE)


def _take_if_room(rt: Runtime, taker: Taker, nudge: Nudge) -> int:
    """Call `take`. While Redis is full, the taker keeps its jobs: they count as lost only if their taker dies."""
    try:
        return take(rt, taker, nudge)
    except StoreFull as full:
        report_store_full(full)
        time.sleep(PAUSE)
        return 1


def take(rt: Runtime, taker: Taker, nudge: Nudge) -> int:
    """Take one batch of jobs, ingest it, and remove it from the inbox. Return the number of jobs.

    Raise LeaseLost, StoreFull, or the error of an unavailable Redis; then the next taker ingests the batch again.
    """
    taken = taker.take(BATCH)
    if not taken.jobs:
        return 0
    with traces.span("ingest", jobs=len(taken.jobs)):
        result = _poison(taken) if taken.lost >= POISON else ingest(rt, taken.jobs, nudge)
    if result.later:
        rt.inbox.defer(result.later, LATER)
    if not taker.finish(result.counts, result.letters):
        log.warning("inbox.repeated", jobs=len(taken.jobs), reason="Redis has lost what was written for these jobs")
        return len(taken.jobs)
    for letter in result.letters:
        log.error("job.buried", letter=letter.id, code=letter.code, reason=letter.reason, provider=letter.provider)
    log.info("inbox.taken", **result.counts)
    return len(taken.jobs)


def _poison(taken: Taken) -> Result:
    result = Result()
    (job,) = taken.jobs
    result.letters.append(Letter("poison", f"whoever took it died, {taken.lost} times", job, len(job)))
    result.counts["bad"] = 1
    return result
