"""Poll: read new orders from a provider page by page, and accept them into the ledger."""

from __future__ import annotations

import contextlib
import math
import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from tasks.accept import accept
from tasks.dead_records import NO_ID, DeadRecords, letter_id
from tasks.late import run_in_background
from tasks.outcomes import log_ending, pause_provider, retry_later
from tasks.overtime import Overtime
from tasks.pages import Pages
from tasks.summary import NeedsPerson, Summary
from worker.app import app, nudge
from worker.errors import (
    AuthFailed,
    IntakeError,
    LeaseLost,
    Malformed,
    OutOfTime,
    PermanentError,
    RateLimited,
    StoreFull,
)
from worker.http.task_time import is_over
from worker.inbox.record import isolated, to_order
from worker.process.stopping import stopping
from worker.runtime import Runtime, confirmed_runtime
from worker.systems.provider import Page, Unread
from worker.systems.steps import Steps, continued
from worker.telemetry import traces

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.order import Order
    from worker.app import Nudge
    from worker.app.timed_request import Later
    from worker.store.feeds.cursors import Poll
    from worker.store.orders.delivery import Ask
    from worker.systems.provider import Provider, Record

log = structlog.get_logger()

#: How often a page without any of its records is fetched before the poll goes on without them. With the waiting in
#: between, this takes a few minutes.
TRIES = 8
#: A poll waits for a limit that opens again within this many seconds, and stops for a longer one.
SHORT_WAIT = 2.0
#: Most seconds until the next poll of a provider whose page did not fit into a full Redis: nobody reads it in vain more
#: often than it is polled anyway.
FULL_WAIT = 60.0


#: What a summary calls the results of `accept_page`; one that changed nothing is left out.
WORDS: Final = {
    "new": "new",
    "asked": "searched at the target",
    "updating": "changed",
    "replaced": "changed",
    "changed": "changed",
    "revived": "queued again",
    "withdrawn": "withdrawn",
    "held": "held",
    "unwanted": "left out",
    "ours": "created by us",
    "malformed": "unreadable",
}


@app.task(name="tasks.poll", Request="worker.app.timed_request:TimedRequest", throws=(NeedsPerson,))
def poll_provider(name: str) -> Summary | Later:
    """Run `poll` as a Celery task."""
    rt = confirmed_runtime()
    name = rt.settings.ledger_provider(name)
    rt.nudges.take("poll", name)
    return run_in_background(("poll", name), lambda: poll(rt, name, nudge))


def poll(rt: Runtime, name: str, nudge: Nudge, *, pages: int = 0, gap: float | None = None) -> Summary:
    """Read the provider `name` from its cursor until it has no more records, or the time of one poll is over.

    A poll exceeds its time while no other work waits for its process (`overtime.py`).
    Every page is a checkpoint: the cursor moves after every record of the page is accepted or kept as a dead letter.
    Return what was read.

    Args:
        rt: The runtime.
        name: The name of the provider.
        nudge: Notifies a worker that a task has work for an account.
        pages: Stop after this many pages; 0 sets no limit.
        gap: The least seconds since the last complete poll began; `poll_every` decides if None (see `Cursors.poll`).
    """
    account, summary, cut_short = rt.settings.providers[name], Summary(name), False
    if rt.provider_maintenance_left(name):
        log.debug("provider.skipped", provider=name, reason="maintenance")
        return Summary(name, notes=["maintenance"])
    with rt.cursors.poll(name, gap=account.poll_every * 0.8 if gap is None else gap) as run:
        if isinstance(run, str):
            log.debug("provider.skipped", provider=name, reason=run)
            return Summary(name, notes=[run])
        with (
            log_ending("provider.fenced", IntakeError, provider=name) as ending,
            traces.span(f"poll {name}", provider=name),
            DeadRecords(rt.providers[name], run.bury) as dead,
        ):
            cut_short = _read_pages(rt, run, dead, rt.providers[name], nudge, pages, summary)
        match ending.error:
            case None | LeaseLost():
                pass
            case StoreFull() as full:
                with contextlib.suppress(StoreFull):  # one that takes no writes at all
                    delay = min(account.poll_every, FULL_WAIT)
                    rt.cursors.note_failure(name, f"{full.code}: {full}", delay)
            case AuthFailed() as error:
                pause_provider(rt, name, error)
            case error:
                delay = retry_later(rt.cursors, name, error)
                log.warning("provider.failed", provider=name, code=error.code, reason=str(error), delay=round(delay, 1))
    if cut_short:
        nudge("poll", name)  # only now: while this poll held its lease, the next one would find it busy
    conclude_reading(summary, ending.error)
    return summary


def conclude_reading(summary: Summary, error: IntakeError | None) -> None:
    """Add to the summary what ended a poll or a backfill early, and what waits for a person."""
    if isinstance(error, AuthFailed):
        summary.needs(f"intake resume {summary.name}", "paused: the credentials were refused")
    elif error:
        summary.notes.append(f"ended early ({error.code}), and is repeated")
    elif not summary.counts["read"]:
        summary.notes.append("nothing new")
    if summary.counts["unreadable"]:
        summary.needs(f"intake dead list --provider {summary.name}")


def _read_pages(  # noqa: PLR0913, PLR0917  # one poll
    rt: Runtime, run: Poll, dead: DeadRecords, provider: Provider, nudge: Nudge, pages: int, summary: Summary
) -> bool:
    """Read the pages of one poll; return whether it was cut short, so that another one continues."""
    cursor = run.cursor if run.cursor is not None else rt.first_cursor(provider.name)
    overtime = Overtime(rt, "poll", provider.name, time.monotonic() + rt.settings.clocks.poll)
    unlimited = not pages

    def may_begin() -> bool:
        return unlimited and time.monotonic() <= overtime.until and not stopping() and not is_over()

    def fetch(cursor: str) -> Page:
        return wait_and_fetch(provider, cursor, until=overtime.until)

    limits = rt.settings.providers[provider.name].limits
    rate = limits[0].rate if limits else math.inf
    with Pages(fetch, may_begin, rate) as feed:
        while True:
            page = read_page(rt, run, dead, provider, partial(feed.take, cursor), nudge)
            if page.more:
                feed.follow(page.cursor)
            counts = accept_page(rt, dead, provider, page, nudge)
            run.advance(page.cursor, more=page.more, records=len(page.records))
            summary.counts["read"] += len(page.records)
            summary.count(WORDS, counts)
            log.info("provider.polled", provider=provider.name, records=len(page.records), more=page.more, **counts)
            pages -= 1
            if not page.more or pages == 0:
                return False
            cursor = page.cursor
            # A page that is fetched already is accepted as well: else its calls were made in vain.
            if stopping() or is_over() or (overtime.is_over() and not feed.has(cursor)):
                return True


def read_page(  # noqa: PLR0913, PLR0917  # one page of one poll
    rt: Runtime, run: Poll, dead: DeadRecords, provider: Provider, take: Callable[[], Page], nudge: Nudge
) -> Page:
    """Take the page. Records that are missing from it are fetched by themselves: see `tasks/fetch.py`.

    Raise Unread, up to `TRIES` times in a row, while the account may be the reason.
    """
    try:
        return take()
    except Unread as unread:
        if unread.account and run.count_incomplete() < TRIES:
            raise
        for record in unread.missing:
            external_id = letter_id(provider, record)
            if external_id.startswith(NO_ID):
                dead.add(record, Malformed(f"it could not be fetched: {unread}"))
            else:
                rt.fetches.add(provider.name, [external_id])
                log.warning("record.deferred", provider=provider.name, external_id=external_id, reason=str(unread))
        nudge("fetch", provider.name)
        return unread.page


def wait_and_fetch(provider: Provider, cursor: str, until: float) -> Page:
    """Fetch the page at `cursor`, and wait for a limit that opens again within `SHORT_WAIT` seconds.

    A page that was interrupted is empty, and its cursor is what the adapter noted. Raise RateLimited for a longer wait,
    after `until` (`time.monotonic`), or when this process stops.
    """
    while True:
        steps = Steps()
        try:
            with isolated(f"the {provider.kind} adapter"), continued(steps):
                return provider.fetch(cursor)
        except OutOfTime:
            if steps.place in {"", cursor}:
                raise
            return Page([], steps.place, more=True)
        except RateLimited as limited:
            if limited.delay > SHORT_WAIT or time.monotonic() > until or stopping():
                raise
            time.sleep(limited.delay)


def accept_page(  # noqa: PLR0913  # the one page, and how to accept it
    rt: Runtime,
    dead: DeadRecords,
    provider: Provider,
    page: Page,
    nudge: Nudge,
    *,
    source: str = "poll",
    ask: Ask = "new",
    within: Callable[[Order], bool] = lambda _: True,
) -> Counter[str]:
    """Accept the orders of the page into the ledger; every record on which anything fails becomes a dead letter.

    Args:
        rt: The runtime.
        dead: The dead records of the poll or backfill that read the page.
        provider: The provider of the page.
        page: The page.
        nudge: Notifies a worker that a task has work for an account.
        source: "poll" or "backfill", for the history of each order.
        ask: Which orders to search for at the target before creating them (see `accept`).
        within: Returns False for an order to leave out.

    Returns:
        How many orders had each outcome: those of `accept`, "malformed" and "outside".
    """
    read: list[tuple[Order, Record]] = []
    counts: Counter[str] = Counter()
    #: Ids whose newest record on this page is readable: the dead letters of their older records are dropped.
    readable: dict[str, None] = {}

    def bury(record: Record, error: PermanentError) -> None:
        readable.pop(dead.add(record, error), None)
        counts["malformed"] += 1

    for record in page.records:
        try:
            order = to_order(provider, record)
            with isolated("the filter"):
                outside = not within(order)
        except PermanentError as error:
            bury(record, error)
            continue
        if outside:
            counts["outside"] += 1
            continue
        read.append((order, record))
        readable[order.external_id] = None
    accepted, rejected = accept(rt, [order for order, _ in read], f"{source} {provider.name}", nudge, ask)
    records = {id(order): record for order, record in read}
    for order, reason in rejected:
        bury(records[id(order)], reason)
        readable.pop(order.external_id, None)
    rt.cursors.drop_letters(provider.name, list(readable))
    return counts + accepted
