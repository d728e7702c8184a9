"""Poll: read new orders from a provider page by page, and accept them into the ledger."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import simplejson
import structlog

from tasks.accept import accept, normalize
from tasks.outcomes import log_ending, pause_provider, retry_later
from worker.app import app, nudge
from worker.errors import AuthFailed, IntakeError, LeaseLost, PermanentError, RateLimited, StoreFull
from worker.process.stopping import stopping
from worker.runtime import Runtime, runtime
from worker.systems.provider import Unread
from worker.telemetry import traces

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.order import Order
    from worker.app import Nudge
    from worker.store.feeds.cursors import Poll
    from worker.store.orders.ledger import Ask
    from worker.systems.provider import Page, Provider, Record

log = structlog.get_logger()

#: How often an incomplete page is fetched before its missing records become dead letters. With the waiting in between,
#: this takes a few minutes.
TRIES = 8
#: A poll waits for a limit that opens again within this many seconds, and stops for a longer one.
SHORT_WAIT = 2.0


@app.task(name="tasks.poll")
def poll_provider(name: str) -> None:
    """Run `poll` as a Celery task."""
    rt = runtime()
    rt.nudges.take("poll", name)
    poll(rt, name, nudge)


def poll(rt: Runtime, name: str, nudge: Nudge, *, pages: int = 0, gap: float | None = None) -> None:
    """Read the provider `name` from its cursor until it has no more records, or the time of one poll is over.

    Every page is a checkpoint: the cursor moves after every record of the page is accepted or kept as a dead letter.

    Args:
        rt: The runtime.
        name: The name of the provider.
        nudge: Notifies a worker that a task has work for an account.
        pages: Stop after this many pages; 0 sets no limit.
        gap: The least seconds since the last complete poll; `poll_every` decides if None (see `Cursors.poll`).
    """
    account = rt.settings.providers[name]
    if rt.provider_maintenance_left(name):
        log.debug("provider.skipped", provider=name, reason="maintenance")
        return
    with rt.cursors.poll(name, gap=account.poll_every * 0.8 if gap is None else gap) as run:
        if isinstance(run, str):
            log.debug("provider.skipped", provider=name, reason=run)
            return
        with (
            log_ending("provider.fenced", IntakeError, provider=name) as ending,
            traces.span(f"poll {name}", provider=name),
        ):
            _read_pages(rt, run, rt.providers[name], nudge, pages)
        match ending.error:
            case None | LeaseLost() | StoreFull():
                pass
            case AuthFailed() as error:
                pause_provider(rt, name, error)
            case error:
                delay = retry_later(rt.cursors, name, error)
                log.warning("provider.failed", provider=name, code=error.code, reason=str(error), delay=round(delay, 1))


def _read_pages(rt: Runtime, run: Poll, provider: Provider, nudge: Nudge, pages: int) -> None:
    cursor = run.cursor if run.cursor is not None else _first_cursor(rt, provider)
    until = time.monotonic() + rt.settings.clocks.poll
    while True:
        page = fetch_page(run, provider, cursor, until)
        counts = accept_page(rt, run, provider, page, nudge)
        run.advance(page.cursor, more=page.more, records=len(page.records))
        log.info("provider.polled", provider=provider.name, records=len(page.records), more=page.more, **counts)
        pages -= 1
        if not page.more or pages == 0:
            return
        cursor = page.cursor
        if time.monotonic() > until or stopping():
            nudge("poll", provider.name)
            return


def _first_cursor(rt: Runtime, provider: Provider) -> str:
    """Return the cursor of the first poll, which begins `look_back` seconds ago by the clock of Redis."""
    now = datetime.fromtimestamp(rt.cursors.now() / 1000, UTC)
    return provider.start(now - timedelta(seconds=rt.settings.providers[provider.name].look_back))


def fetch_page(run: Poll, provider: Provider, cursor: str, until: float) -> Page:
    """Fetch the page at `cursor`. Records that are missing from it `TRIES` times in a row become dead letters.

    Raise Unread while the missing records may still be fetched.
    """
    try:
        return wait_and_fetch(provider, cursor, until)
    except Unread as unread:
        if run.count_incomplete() < TRIES:
            raise
        for record in unread.missing:
            letter, reason = dead_letter_id(record), f"not given, asked {TRIES} times: {unread}"
            run.bury(letter, record.raw, "", reason)
            log.error("record.malformed", provider=provider.name, external_id=letter, reason=reason)
        return unread.page


def wait_and_fetch(provider: Provider, cursor: str, until: float) -> Page:
    """Fetch the page at `cursor`, and wait for a limit that opens again within `SHORT_WAIT` seconds.

    Raise RateLimited for a longer wait, after `until` (`time.monotonic`), or when this process stops.
    """
    while True:
        try:
            return provider.fetch(cursor)
        except RateLimited as limited:
            if limited.delay > SHORT_WAIT or time.monotonic() > until or stopping():
                raise
            time.sleep(limited.delay)


def accept_page(  # noqa: PLR0913  # the one page, and how to accept it
    rt: Runtime,
    run: Poll,
    provider: Provider,
    page: Page,
    nudge: Nudge,
    *,
    source: str = "poll",
    ask: Ask = "new",
    within: Callable[[Order], bool] = lambda _: True,
) -> Counter[str]:
    """Accept the orders of the page into the ledger, and keep unreadable records as dead letters.

    Args:
        rt: The runtime.
        run: The poll or backfill that read the page.
        provider: The provider of the page.
        page: The page.
        nudge: Notifies a worker that a task has work for an account.
        source: "poll" or "backfill", for the history of each order.
        ask: Which orders to search for at the target before creating them (see `accept`).
        within: Returns False for an order that is to be left out.

    Returns:
        How many orders had each outcome: those of `accept`, "malformed" and "outside".
    """
    orders: list[Order] = []
    counts: Counter[str] = Counter()
    by_key: dict[str, Record] = {}
    #: Ids whose newest record on this page is readable: the dead letters of their older records are dropped.
    readable: dict[str, None] = {}

    def bury(record: Record, error: PermanentError) -> None:
        letter = dead_letter_id(record)
        readable.pop(letter, None)
        run.bury(letter, record.raw, getattr(error, "field", ""), str(error))
        log.error("record.malformed", provider=provider.name, external_id=letter, reason=str(error))
        counts["malformed"] += 1

    for record in page.records:
        try:
            order = normalize(provider, record)
        except PermanentError as error:
            bury(record, error)
            continue
        if not within(order):
            counts["outside"] += 1
            continue
        orders.append(order)
        by_key[order.key] = record
        readable[order.external_id] = None
    accepted, rejected = accept(rt, orders, f"{source} {provider.name}", nudge, ask)
    for order, reason in rejected:
        bury(by_key[order.key], reason)
        readable.pop(order.external_id, None)
    rt.cursors.drop_letters(provider.name, list(readable))
    return counts + accepted


def dead_letter_id(record: Record) -> str:
    """Return the id of the record's dead letter: the id of the record, or else a digest of its content."""
    own = record.raw.get("id") or record.raw.get("ID")
    if own and isinstance(own, str | int):
        return str(own)
    text = simplejson.dumps(record.raw, use_decimal=True, sort_keys=True, default=str)
    return "sha-" + hashlib.sha256(text.encode()).hexdigest()[:16]
