"""Poll: read what is new at a provider, page by page, and accept it."""

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

#: Times a page is asked for of which some records are not given: with the waiting in between, a few minutes.
TRIES = 8
#: A limit that opens again within so many seconds is waited for, rather than the walk given up.
SHORT_WAIT = 2.0


@app.task(name="tasks.poll")
def poll_provider(name: str) -> None:
    """Celery's door to `poll`."""
    rt = runtime()
    rt.nudges.take("poll", name)
    poll(rt, name, nudge)


def poll(rt: Runtime, name: str, nudge: Nudge, *, pages: int = 0, gap: float | None = None) -> None:
    """Read the provider `name` from its cursor until it has nothing more, or the time of one poll is up.

    Every page is a checkpoint: the cursor moves once all of the page is accepted, or kept as a dead letter.

    Args:
        rt: The runtime.
        name: The provider.
        nudge: Tells a worker that a task has something to do for a name.
        pages: Stop after so many; 0: after none.
        gap: Seconds since the last whole poll, before which there is no other (see `Cursors.poll`).
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
            _walk(rt, run, rt.providers[name], nudge, pages)
        match ending.error:
            case None | LeaseLost() | StoreFull():
                pass
            case AuthFailed() as error:
                pause_provider(rt, name, error)
            case error:
                delay = retry_later(rt.cursors, name, error)
                log.warning("provider.failed", provider=name, code=error.code, reason=str(error), delay=round(delay, 1))


def _walk(rt: Runtime, run: Poll, provider: Provider, nudge: Nudge, pages: int) -> None:
    account = rt.settings.providers[run.provider]
    until = time.monotonic() + rt.settings.clocks.poll
    if run.cursor is None:
        # Redis' clock, like everything that is compared with what Redis holds.
        now = datetime.fromtimestamp(rt.cursors.now() / 1000, UTC)
        cursor = provider.start(now - timedelta(seconds=account.look_back))
    else:
        cursor = run.cursor
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


def fetch_page(run: Poll, provider: Provider, cursor: str, until: float) -> Page:
    """One page; what of it is not given, however often it is asked for, is kept as a dead letter."""
    try:
        return wait_and_fetch(provider, cursor, until)
    except Unread as some:
        if run.count_incomplete() < TRIES:
            raise
        for record in some.missing:
            letter, reason = dead_letter_id(record), f"not given, asked {TRIES} times: {some}"
            run.bury(letter, record.raw, "", reason)
            log.error("record.malformed", provider=provider.name, external_id=letter, reason=reason)
        return some.page


def wait_and_fetch(provider: Provider, cursor: str, until: float) -> Page:
    """One page; a limit that opens again in a moment is waited for."""
    while True:
        try:
            return provider.fetch(cursor)
        except RateLimited as limited:
            if limited.delay > SHORT_WAIT or time.monotonic() > until or stopping():
                raise
            time.sleep(limited.delay)


def accept_page(  # noqa: PLR0913  # the one page, and how it is taken in
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
    """Write the page into the ledger, or what cannot be read among the dead letters; answers what became of it.

    What is not `within` is left out.
    """
    orders: list[Order] = []
    counts: Counter[str] = Counter()
    by_key: dict[str, Record] = {}
    #: Ids whose newest record on this page could be read: what was kept of older ones is mended.
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
    accepted, refused = accept(rt, orders, f"{source} {provider.name}", nudge, ask)
    for order, reason in refused:
        bury(by_key[order.key], reason)
        readable.pop(order.external_id, None)
    rt.cursors.drop_letters(provider.name, list(readable))
    return counts + accepted


def dead_letter_id(record: Record) -> str:
    """The id a dead letter is kept under: the record's own, or else a digest of it."""
    own = record.raw.get("id") or record.raw.get("ID")
    if own and isinstance(own, str | int):
        return str(own)
    text = simplejson.dumps(record.raw, use_decimal=True, sort_keys=True, default=str)
    return "sha-" + hashlib.sha256(text.encode()).hexdigest()[:16]
