"""Backfill: read a range of a provider again, with the capacity that live work leaves over."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import structlog

from tasks.dead_records import DeadRecords
from tasks.late import run_in_background
from tasks.outcomes import log_ending, pause_provider, retry_later
from tasks.poll import TRIES, WORDS, accept_page, conclude_reading, wait_and_fetch
from tasks.summary import NeedsPerson, Summary
from worker.app import app, nudge
from worker.errors import AuthFailed, IntakeError, LeaseLost, Malformed, RateLimited, StoreFull
from worker.http.task_time import is_over
from worker.process.stopping import stopping
from worker.runtime import Runtime, confirmed_runtime
from worker.store.limits.limiter import use_spare_slots
from worker.systems.provider import Unread
from worker.telemetry import traces

if TYPE_CHECKING:
    from collections import Counter

    from schemas.order import Order
    from worker.app import Nudge
    from worker.app.timed_request import Later
    from worker.store.feeds.cursors import Poll
    from worker.systems.provider import Page

log = structlog.get_logger()

#: A backfill waits while a target has this many of its orders to deliver, so that they do not fill Redis.
MOST_WAITING: Final = 2000
#: Seconds until a waiting backfill checks again whether it can continue.
AGAIN: Final = 2.0


@app.task(name="tasks.backfill", Request="worker.app.timed_request:TimedRequest", throws=(NeedsPerson,))
def backfill_provider(name: str) -> Summary | Later:
    """Run `backfill` as a Celery task."""
    rt = confirmed_runtime()
    name = rt.settings.ledger_provider(name)
    rt.nudges.take("backfill", name)
    return run_in_background(("backfill", name), lambda: backfill(rt, name, nudge))


def backfill(rt: Runtime, name: str, nudge: Nudge) -> Summary:
    """Continue the backfill of the provider `name` until the end of its range, or until the time of one poll is over.

    Its orders queue behind all others, and its calls use the part of the limit that no other call needs. The cursor of
    the polls does not move. Return what was read.
    """
    summary, cut_short = Summary(name), False
    with rt.backfills.run(name) as run:
        if isinstance(run, str):
            log.debug("backfill.skipped", provider=name, reason=run)
            return Summary(name, notes=[run])
        with (
            log_ending("backfill.fenced", IntakeError, provider=name) as ending,
            use_spare_slots(),
            traces.span(f"backfill {name}", provider=name),
            DeadRecords(rt.providers[name], run.bury) as dead,
        ):
            cut_short = _read_range(rt, run, dead, nudge, summary)
        match ending.error:
            case None | LeaseLost():
                pass
            case StoreFull():
                rt.backfills.defer(name, "Redis is full", AGAIN)
            case RateLimited() as limited:
                rt.backfills.defer(name, "other calls use the limit", limited.delay)
            case AuthFailed() as error:
                pause_provider(rt, name, error)
            case error:
                delay = retry_later(rt.backfills, name, error)
                log.warning("backfill.failed", provider=name, code=error.code, reason=str(error), delay=round(delay, 1))
    if cut_short:
        nudge("backfill", name)  # only now: while this one held its lease, the next one would find it busy
    conclude_reading(summary, ending.error)
    return summary


def _read_range(rt: Runtime, run: Poll, dead: DeadRecords, nudge: Nudge, summary: Summary) -> bool:
    """Read the pages of one run; return whether it was cut short, so that another one continues."""
    provider, status = rt.providers[run.provider], rt.backfills.status(run.provider)
    if "since" not in status:
        raise LeaseLost("it was not requested, or Redis was lost")
    since, until = _time(status["since"]), _time(status["until"])
    cursor, ends = run.cursor or provider.start(since), time.monotonic() + rt.settings.clocks.poll
    #: Times at which orders in the range were placed: the earliest and the latest so far, and all of this run.
    placed = [_time(status[field]) for field in ("first", "last") if field in status]

    def within(order: Order) -> bool:
        if not since <= order.ordered_at < until:
            return False
        placed.append(order.ordered_at)
        return True

    def accept(page: Page) -> Counter[str]:
        return accept_page(rt, dead, provider, page, nudge, source="backfill", ask="always", within=within)

    while not (reason := _waiting_reason(rt, run.provider)):
        try:
            page = wait_and_fetch(provider, cursor, ends)
        except Unread as unread:
            accept(unread.page)  # the others do not wait for the missing ones
            page = _give_up(run, dead, unread)
        counts = accept(page)
        run.advance(page.cursor, more=page.more, records=len(page.records))
        summary.counts["read"] += len(page.records)
        summary.count(WORDS, counts)
        times = {"first": min(placed), "last": max(placed)} if placed else {}
        rt.backfills.count(run.provider, counts, {name: int(at.timestamp() * 1000) for name, at in times.items()})
        log.info("backfill.read", provider=provider.name, records=len(page.records), more=page.more, **counts)
        if not page.more:
            return False
        cursor = page.cursor
        if time.monotonic() > ends or stopping() or is_over():
            return True
    summary.notes.append(f"waits: {reason}")
    rt.backfills.defer(run.provider, reason, AGAIN)
    return False


def _give_up(run: Poll, dead: DeadRecords, unread: Unread) -> Page:
    """Return the page without its missing records, which become dead letters. Raise Unread before the last attempt.

    A poll would fetch them by themselves (see `tasks/poll.py`). A backfill must not: the range decides which it takes.
    """
    if run.count_incomplete() < TRIES:
        raise unread
    for record in unread.missing:
        dead.add(record, Malformed(f"it could not be fetched, {TRIES} times: {unread}"))
    return unread.page


def _time(milliseconds: str) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


def _waiting_reason(rt: Runtime, name: str) -> str:
    """Return why the backfill has to wait, or "" if it can continue."""
    if "paused" in rt.backfills.status(name):
        return "stopped"
    if "paused" in rt.cursors.status(name):
        return f"{name} is paused"
    if rt.provider_maintenance_left(name):
        return f"{name} is in maintenance"
    targets = {target for route in rt.settings.routes if route.source == name for target in route.targets}
    full = [target for target in sorted(targets) if rt.lanes[target].count_bulk() >= MOST_WAITING]
    return f"{full[0]} has enough queued orders" if full else ""
