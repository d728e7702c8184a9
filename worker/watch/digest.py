"""Write the digest of what waits for a person: by group, with order numbers and reasons, without personal data."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from worker.store.orders.stuck import Filter
from worker.watch.messages import write

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from worker.runtime import Runtime
    from worker.store.orders.stuck import State, StuckOrder

#: Rows of each group, those that wait longest.
_SHOWN: Final = 20
#: Characters of a reason that are shown.
_REASON: Final = 120
#: The title of a group of orders, and the command that lists it.
_STATES: Final[dict[State, tuple[str, str]]] = {
    "dead": ("dead", "intake dead list --target {target}"),
    "in_doubt": ("in doubt", "intake doubt list --target {target}"),
    "held": ("held", "intake release {target} --dry-run"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One order, record or job that waits. `number` is what people know the order by; `since` is in Unix ms."""

    number: str
    shop: str
    since: int
    reason: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """What waits for the same reason of the same account: how many, and those that wait longest."""

    title: str
    account: str
    count: int
    command: str
    rows: list[Row] = field(default_factory=list)
    #: The list of the console that shows it.
    path: str = ""


def collect(rt: Runtime, accounts: Collection[str] = ()) -> list[Group]:
    """Return what waits for a person, of these providers and targets; of all if there are none."""
    return [group for group in chain(_orders(rt, accounts), _records(rt, accounts), _jobs(rt, accounts)) if group.count]


def write_digest(groups: list[Group], now: datetime, console: str | None) -> dict[str, Any]:
    """Return the digest as a message; `console` is where its links lead."""
    total = sum(group.count for group in groups)
    title = f"{total} {'order waits' if total == 1 else 'orders and records wait'} for a person"
    lines = [
        f"{title} ({_time(now.timestamp() * 1000)}).",
        *chain.from_iterable(_lines(group, console) for group in groups),
    ]
    if console:
        lines += ["", f"Console: {console}"]
    counts = [{"state": group.title, "account": group.account, "count": group.count} for group in groups]
    return write("digest", title, "\n".join(lines), now, console) | {"waiting": counts}


def _lines(group: Group, console: str | None) -> Iterator[str]:
    yield ""
    yield f"{group.account}: {group.count} {group.title}.  {group.command}"
    if console:
        yield f"  {console}{group.path}"
    for row in group.rows:
        yield f"  {row.number}  {row.shop}  since {_time(row.since)}"
        yield f"      {row.reason}"
        if console and row.key:
            yield f"      {console}/orders/{quote(row.key, safe='')}"
    if group.count > len(group.rows):
        yield f"  and {group.count - len(group.rows)} more"


def _time(at_ms: float) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def _orders(rt: Runtime, accounts: Collection[str]) -> Iterator[Group]:
    providers = [name for name in rt.settings.providers if name in accounts]
    for target, stuck in rt.stuck.items():
        # All orders of a target that was named, or else those of the providers that were.
        sources = [None] if not accounts or target in accounts else providers
        for state, (title, command) in _STATES.items():
            for source in sources:
                count = 0
                first: list[StuckOrder] = []
                for batch in stuck.orders(state, Filter(provider=source)):
                    first += islice(batch, _SHOWN - len(first))
                    count += len(batch)
                name = f"{source} > {target}" if source else target
                rows = [_row(rt, order) for order in first]
                path = f"/lists/{state}?account={source or target}"
                yield Group(title, name, count, command.format(target=target), rows, path)


def _row(rt: Runtime, order: StuckOrder) -> Row:
    shop, _, external_id = order.key.partition(":")
    content = rt.stuck[order.target].payload(order.key)
    number = (json.loads(content).get("display_id") if content else None) or external_id
    reason = ": ".join(filter(None, (order.record.get("code"), order.record.get("detail"))))
    return Row(number, shop, order.since, _short(reason), order.key)


def _records(rt: Runtime, accounts: Collection[str]) -> Iterator[Group]:
    for provider in rt.settings.providers:
        if accounts and provider not in accounts:
            continue
        letters = sorted(rt.cursors.letters(provider).items(), key=lambda item: int(item[1]["at"]))
        rows = [
            Row(name, provider, int(letter["at"]), _short(f"{letter['field']}: {letter['reason']}"))
            for name, letter in letters[:_SHOWN]
        ]
        yield Group(
            "unreadable",
            provider,
            len(letters),
            f"intake dead list --provider {provider}",
            rows,
            f"/lists/records?account={provider}",
        )


def _jobs(rt: Runtime, accounts: Collection[str]) -> Iterator[Group]:
    if not accounts:
        letters = sorted(rt.inbox.letters().items(), key=lambda item: item[1].at)
        rows = [
            Row(name, letter.provider or "unknown", letter.at, _short(f"{letter.code}: {letter.reason}"))
            for name, letter in letters[:_SHOWN]
        ]
        yield Group("refused", "inbox", len(letters), "intake inbox list", rows, "/lists/jobs")


def _short(reason: str) -> str:
    return reason if len(reason) <= _REASON else f"{reason[: _REASON - 1]}…"
