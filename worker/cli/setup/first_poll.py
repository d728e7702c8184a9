"""What the first poll of a provider would send: read its first pages, route their orders, and write nothing."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from schemas.order import Status
from tasks.accept import prepare
from tasks.poll import wait_and_fetch
from worker.cli.setup.account_checks import Finding, ask_all
from worker.errors import IntakeError, PermanentError
from worker.inbox.record import to_order
from worker.settings.start import format_start
from worker.systems.provider import Unread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from schemas.order import Order
    from worker.runtime import Adapters
    from worker.store.orders.delivery import Delivery
    from worker.systems.provider import Page

#: The pages and the seconds after which no further page of a provider is read.
_PAGES: Final = 10
_SECONDS: Final = 10.0
#: Seconds within which the providers have to answer, all of them at the same time.
_PATIENCE: Final = 30.0
#: The statuses of orders that are finished: usually they are in the targets already.
_FINISHED: Final = frozenset({Status.SHIPPED, Status.DELIVERED})


@dataclass(slots=True)
class FirstPoll:
    """The orders of the first pages, by what the first poll would do with them."""

    sent: Counter[Status] = field(default_factory=Counter)
    held: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0
    #: When the earliest and the latest of the orders to be sent were placed.
    placed: list[datetime] = field(default_factory=list)
    records: int = 0
    #: Whether more records follow that were not read.
    more: bool = False

    def add(self, order: Order, deliveries: Sequence[Delivery | PermanentError]) -> None:
        """Count an order: it is sent if it is sent to any target."""
        made = [each for each in deliveries if not isinstance(each, PermanentError)]
        wanted = [each for each in made if each.wanted and not each.before_start]
        if any(not each.hold for each in wanted):
            self.sent[order.status] += 1
            self.placed = [min([*self.placed, order.ordered_at]), max([*self.placed, order.ordered_at])]
        elif wanted:
            self.held += 1
        elif made:
            self.left_out[made[0].before_start or made[0].rule] += 1
        elif deliveries:
            self.unreadable += 1


def examine_first_polls(accounts: Adapters, names: Sequence[str]) -> Iterator[Finding]:
    """Yield for each of these providers what its first poll would send; read them at the same time."""
    if not names:
        return
    now = accounts.now()
    yield from ask_all({f"first poll of {name}": partial(_examine, accounts, name, now) for name in names}, _PATIENCE)


def _examine(accounts: Adapters, name: str, now: datetime) -> Finding:
    what = f"first poll of {name}"
    try:
        found = look(accounts, name, now)
    except IntakeError as error:
        return Finding(what, "warning", f"it could not be previewed: {error}")
    detail = describe(found, format_start(accounts.settings.providers[name].start))
    finished = sum(found.sent[status] for status in _FINISHED)
    if not finished:
        return Finding(what, "ok", detail)
    them = "1 of them is finished" if finished == 1 else f"{finished} of them are finished"
    remedy = f"{them}. If the targets already have finished orders, move start of {name} to a later day."
    return Finding(what, "warning", detail, remedy)


def look(accounts: Adapters, name: str, now: datetime) -> FirstPoll:
    """Read the first pages of a provider under its limit. Raise what its calls raise."""
    provider, found, until = accounts.providers[name], FirstPoll(), time.monotonic() + _SECONDS
    cursor = accounts.first_cursor(name, now)
    for _ in range(_PAGES):
        page = _fetch(accounts, name, cursor, until)
        for record in page.records:
            found.records += 1
            try:
                order = to_order(provider, record)
                found.add(order, [delivery for _, delivery in prepare(accounts, order) or ()])
            except PermanentError:
                found.unreadable += 1
        found.more = page.more
        if not page.more or time.monotonic() > until:
            break
        cursor = page.cursor
    return found


def _fetch(accounts: Adapters, name: str, cursor: str, until: float) -> Page:
    try:
        return wait_and_fetch(accounts.providers[name], cursor, until)
    except Unread as unread:
        if unread.account:
            raise
        return unread.page


def describe(found: FirstPoll, start: str) -> str:
    """Return the counts as one sentence for a person."""
    count = sum(found.sent.values())
    text = f"would send {count} order{'' if count == 1 else 's'}"
    if count:
        days = list(dict.fromkeys(f"{at:%Y-%m-%d}" for at in found.placed))
        text += f" placed {'on' if len(days) == 1 else 'from'} {' to '.join(days)} ({_counts(found.sent)})"
    text += f"; start is {start}"
    if found.left_out:
        text += f"; left out: {_counts(found.left_out)}"
    more = {"would be held": found.held, "cannot be read": found.unreadable}
    text += "".join(f"; {number} {what}" for what, number in more.items() if number)
    if found.more:
        text += f"; this is only a part: {found.records} records were read, and more follow"
    return text


def _counts(counts: Counter[Status] | Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda pair: -pair[1]))
