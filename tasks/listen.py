"""Listen: take jobs from the inbox as producers push them."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Final

import simplejson
import structlog
from celery.exceptions import Reject

from tasks.ingest import Result, ingest
from tasks.outcomes import log_ending
from tasks.summary import Summary
from worker.app import app
from worker.errors import IntakeError, StoreFrozen, StoreFull
from worker.http.task_time import is_over
from worker.process.stopping import stopping
from worker.runtime import runtime
from worker.store.inbox import POISON
from worker.store.letters import Letter
from worker.store.redis.connection import ERRORS
from worker.store.redis.diagnosis import state_of
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


#: What keeps a job out of the inbox for a while, and is no fault of the job.
_FAILURES: Final[tuple[type[Exception], ...]] = (IntakeError, *ERRORS)
#: Seconds that `tasks.ingest` may take: less than the broker waits before it delivers the message again.
INGEST_LIMIT: Final = 100


@app.task(
    name="tasks.ingest",
    Request="worker.app.kept_request:KeptRequest",
    acks_late=True,
    acks_on_failure_or_timeout=False,
    reject_on_worker_lost=True,
    time_limit=INGEST_LIMIT,
)
def push(job: object) -> Summary:
    """Push a job for a producer that has only a Celery client: `send_task("tasks.ingest", [JOB])`.

    `JOB` is the text of a job (see `schemas/job.py`); what is not a text is pushed as its JSON, and is judged like any
    other job. The message is acknowledged when the job is in the inbox, and not before.
    """
    push_job(runtime, job)
    return Summary("inbox", Counter({"job pushed": 1}))


def push_job(runtime: Callable[[], Runtime], job: object) -> None:
    """Push a job into the inbox. Raise Reject if its message has to go back into its queue.

    While Redis is full, it goes back after `PAUSE`, because deliveries make room and need the process. A Redis that is
    away or takes no writes at all is waited for here: nothing else works without it.
    """
    text = job if isinstance(job, str) else simplejson.dumps(job, ensure_ascii=False)
    raw = text.encode("utf-8", "surrogatepass")
    while True:
        try:
            runtime().inbox.push([raw])
        except _FAILURES as error:
            _report_waiting(error)
            time.sleep(PAUSE)
            room_comes = isinstance(error, StoreFull) and not isinstance(error, StoreFrozen)
            if room_comes or stopping() or is_over():
                raise Reject(type(error).__name__, requeue=True) from None
        else:
            return


def _report_waiting(error: Exception) -> None:
    if isinstance(error, StoreFull):
        report_store_full(error)
    elif isinstance(error, IntakeError):
        log.error("inbox.away", reason=str(error), remedy="intake check")
    else:
        state = state_of(error)
        log.error("inbox.away", state=state.name, reason=state.sentence, remedy=state.remedy)


def listen(rt: Runtime, nudge: Nudge, going: Callable[[], bool]) -> None:
    """Take and ingest jobs while `going()` is true. Continue after any failure of Redis or of a job."""
    while going():
        try:
            with log_ending("taker.fenced") as ending, rt.inbox.taker() as taker:
                while going():
                    if not _take_if_room(rt, taker, nudge):
                        rt.inbox.wait(1)
        except ERRORS as error:
            _report_waiting(error)
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
    result.letters.append(Letter("poison", f"the processes that took it died, {taken.lost} times", job, len(job)))
    result.counts["bad"] = 1
    return result
