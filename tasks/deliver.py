"""Deliver: claim orders from the lane of one target, make each order exist in the target, and settle the outcome."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from tasks.bell import Bell
from tasks.late import run_in_background
from tasks.outcomes import log_ending
from tasks.overtime import Overtime
from tasks.sending import Sending
from tasks.settling import WORDS
from tasks.summary import NeedsPerson, Summary
from worker.app import app, has_spare_processes, nudge
from worker.http.client import guard_writes
from worker.http.task_time import is_over
from worker.process.stopping import stopping
from worker.runtime import Runtime, confirmed_runtime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.app import Nudge
    from worker.app.timed_request import Later

log = structlog.get_logger()


@app.task(name="tasks.deliver", Request="worker.app.timed_request:TimedRequest", throws=(NeedsPerson,))
def deliver_lane(name: str) -> Summary | Later:
    """Run `deliver` as a Celery task."""
    rt = confirmed_runtime()
    name = rt.settings.ledger_target(name)
    rt.nudges.take("deliver", name)
    idle = rt.settings.clocks.drain if has_spare_processes(rt.settings) else 0.0
    # Several drains of a lane may run at a time: the ledger keeps to its concurrency.
    return run_in_background(("deliver", name), lambda: deliver(rt, name, nudge, idle=idle), alone=False)


def deliver(rt: Runtime, name: str, nudge: Nudge, *, idle: float = 0.0) -> Summary:
    """Drain the lane of the target `name` until it is empty or closed, or the time of one drain is over.

    Return what became of its orders.

    Args:
        rt: The runtime.
        name: The name of the target.
        nudge: Notifies a worker that a task has work for an account.
        idle: Seconds to wait at an empty lane for the next order, which is then sent without waiting for a nudge.
    """
    started, summary = time.monotonic(), Summary(name)
    with Bell(rt.lanes[name], lambda: nudge("deliver", name)) as bell:
        while not stopping() and _drain(rt, name, started + rt.settings.clocks.drain, nudge, bell, summary):
            if idle and bell.wait(started + idle):
                continue
            if idle and time.monotonic() > started + idle:
                nudge("deliver", name)
            break
    if stopping():
        # Another worker continues at once.
        nudge("deliver", name)
    return summary


def _drain(  # noqa: PLR0913, PLR0917  # one drain
    rt: Runtime, name: str, until: float, nudge: Nudge, bell: Bell, summary: Summary
) -> bool:
    """Claim and deliver orders until the lane has none to send. Return False if the drain ended before that."""
    lane = rt.lanes[name]
    overtime = Overtime(rt, "deliver", name, until)
    with (
        lane.drain() as drain,
        Sending(rt, lane, drain, bell) as sending,
        _summarized(sending, summary),
        guard_writes(sending.check),
        log_ending("drain.fenced", lane=name, drain=drain.name) as ending,
    ):
        while sending.advance(overtime.until):
            if overtime.is_over() or stopping() or is_over():
                bell.end()
                if sending.is_busy:
                    nudge("deliver", name)
                sending.finish()
                drain.leave()
                nudge("deliver", name)
                return False
        if rt.target_maintenance_left(name):
            drain.leave()
    if ending.error:
        summary.notes.append(f"ended early ({ending.error.code})")
        # The claims are freed when the lease ends. Each order is searched for at the target before it is sent again.
        return False
    if drain.quarantine:
        why = "the ledger is new, and the target accepts duplicates: what an older ledger sent must arrive first"
        log.warning("lane.waits", lane=name, reason=why, seconds=round(drain.quarantine))
    return True


@contextmanager
def _summarized(sending: Sending, summary: Summary) -> Iterator[None]:
    """Add to the summary what became of the orders, however the drain ends."""
    try:
        yield
    finally:
        summary.count(WORDS, sending.counts)
        if sending.refusal:
            summary.needs(f"intake resume {summary.name}", "paused: the credentials were refused")
        if sending.counts["order.buried"]:
            summary.needs(f"intake dead list --target {summary.name}")
