"""The lists of what waits for a person: dead, held and doubtful orders, unreadable records, refused jobs."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from worker.operations.sentences import Summary, summaries
from worker.operations.times import utc_text
from worker.store.orders.stuck import Filter, count_states, non_empty

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from worker.runtime import Runtime
    from worker.store.orders.stuck import State, StuckOrder

ListName = Literal["dead", "held", "in_doubt", "records", "jobs"]
#: The names of the lists, and how many records or jobs are in memory at once.
LISTS: Final[tuple[ListName, ...]] = ("dead", "held", "in_doubt", "records", "jobs")
_AT_ONCE: Final = 100
#: The fields of a row of an export.
COLUMNS: Final = ("list", "number", "key", "provider", "target", "reference", "since", "code", "reason", "said")


class Waiting(NamedTuple):
    """One order of a target, record or job that waits; nothing in it is personal."""

    #: What identifies it in its list: "TARGET KEY" of an order, the key of a record, the id of a job.
    id: str
    #: The order key; "" for a job.
    key: str
    provider: str
    target: str
    reference: str
    #: Unix milliseconds.
    since: int
    code: str
    reason: str
    #: What people know the order by, and what the target said of it, where they were read (see `with_summaries`).
    number: str = ""
    said: str = ""

    @property
    def account(self) -> str:
        """The target, or else the provider."""
        return self.target or self.provider

    @property
    def group(self) -> str:
        """The group of those with the same reason of the same account, whatever the numbers in the reason are."""
        return _group(self.account, self.code, self.reason)


@dataclass(frozen=True, slots=True)
class Wish:
    """Which rows of a list to select; a criterion that is empty or None selects all. Ages are in seconds."""

    #: A target or a provider.
    account: str = ""
    group: str = ""
    ids: frozenset[str] = frozenset()
    reason: str = ""
    older: float | None = None
    newer: float | None = None

    def matches(self, row: Waiting) -> bool:
        """Return whether this row is selected, except for its age."""
        return (
            (not self.account or self.account in (row.target, row.provider))
            and (not self.group or self.group == row.group)
            and (not self.ids or row.id in self.ids)
            and (not self.reason or self.reason.casefold() in f"{row.code} {row.reason}".casefold())
        )

    @property
    def ages(self) -> Filter:
        """The criteria for the age."""
        return Filter(older=self.older, newer=self.newer)


@dataclass(frozen=True, slots=True)
class Group:
    """Rows with one reason: how many there are, one of them, and the reason, with N for a number that differs."""

    count: int
    row: Waiting
    reason: str


@lru_cache(maxsize=1024)
def _group(account: str, code: str, reason: str) -> str:
    """Return the group of a reason; most rows of a long list have the same few."""
    return hashlib.sha256("\0".join((account, code, without_numbers(reason))).encode()).hexdigest()[:12]


def without_numbers(reason: str) -> str:
    """Return a reason with N for each number, so that reasons that differ only in a number are counted as one."""
    return re.sub(r"\d+", "N", reason)


def select(rt: Runtime, name: ListName, wish: Wish) -> Iterator[Waiting]:
    """Yield the selected rows of a list, those of each account that wait longest first."""
    rows = _records(rt, wish) if name == "records" else _jobs(rt, wish) if name == "jobs" else _orders(rt, name, wish)
    return filter(wish.matches, rows)


def _orders(rt: Runtime, state: State, wish: Wish) -> Iterator[Waiting]:
    targets = [wish.account] if wish.account in rt.settings.targets else list(rt.settings.targets)
    provider = wish.account if wish.account in rt.settings.providers and wish.account not in targets else None
    keys = frozenset(each.partition(" ")[2] for each in wish.ids)
    selection = replace(wish.ages, keys=keys, provider=provider)
    for target in non_empty(rt.redis, state, targets):
        yield from map(order_row, chain.from_iterable(rt.stuck[target].orders(state, selection)))


def order_row(order: StuckOrder) -> Waiting:
    """Return the row of an order."""
    record = order.record
    return Waiting(
        f"{order.target} {order.key}",
        order.key,
        order.key.partition(":")[0],
        order.target,
        record.get("reference", ""),
        order.since,
        record.get("code", ""),
        record.get("detail", ""),
    )


def _records(rt: Runtime, wish: Wish) -> Iterator[Waiting]:
    first, last = wish.ages.time_range(rt.cursors.now())
    for chunk in _chunks(rt.cursors.letter_ids(list(rt.settings.providers))):
        for (provider, external_id), record in zip(chunk, rt.cursors.letters_of(chunk), strict=True):
            if record is not None and first <= int(record["at"]) <= last:
                key = f"{provider}:{external_id}"
                reason = ": ".join(filter(None, (record["field"], record["reason"])))
                yield Waiting(key, key, provider, "", "", int(record["at"]), "malformed", reason)


def _jobs(rt: Runtime, wish: Wish) -> Iterator[Waiting]:
    first, last = wish.ages.time_range(rt.cursors.now())
    for chunk in _chunks(rt.inbox.letter_ids()):
        for letter_id, letter in rt.inbox.letters(chunk).items():
            if first <= letter.at <= last:
                yield Waiting(letter_id, "", letter.provider, "", "", letter.at, letter.code, letter.reason)


def _chunks(ids: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (ids[at : at + _AT_ONCE] for at in range(0, len(ids), _AT_ONCE))


def count_all(rt: Runtime) -> dict[ListName, int]:
    """Return how many rows each list has, in a few round trips."""
    orders = count_states(rt.redis, list(rt.settings.targets))
    counts: dict[ListName, int] = {"dead": orders["dead"], "held": orders["held"], "in_doubt": orders["in_doubt"]}
    counts["records"] = rt.cursors.count_letters(list(rt.settings.providers))
    return counts | {"jobs": rt.inbox.status()["dead_now"]}


def group(rows: Iterable[Waiting]) -> list[Group]:
    """Return the rows by reason, the most frequent first."""
    counts: Counter[str] = Counter()
    first: dict[str, Waiting] = {}
    reasons: dict[str, str] = {}
    for row in rows:
        key = row.group
        counts[key] += 1
        first.setdefault(key, row)
        if reasons.setdefault(key, row.reason) != row.reason:
            reasons[key] = without_numbers(row.reason)
    return [Group(count, first[key], reasons[key]) for key, count in counts.most_common()]


def with_summaries(rt: Runtime, rows: Iterable[Waiting]) -> Iterator[Waiting]:
    """Yield the rows with the numbers of the orders and the sentences of the targets, without personal data."""
    remaining = iter(rows)
    while batch := list(islice(remaining, _AT_ONCE)):
        known: dict[str, Summary] = {}
        for target in {row.target for row in batch if row.target}:
            chosen = [row for row in batch if row.target == target]
            found = summaries(rt.stuck[target], [row.key for row in chosen])
            known |= {row.id: summary for row, summary in zip(chosen, found, strict=True)}
        yield from (row._replace(**known[row.id]._asdict()) if row.id in known else row for row in batch)


def seen(rows: Iterable[Waiting]) -> tuple[int, str]:
    """Return how many rows there are, and what identifies them: another selection has another text."""
    ids = sorted(row.id for row in rows)
    digest = hashlib.sha256("\0".join(ids).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return len(ids), f"{len(ids)}-{digest}"


def as_json(name: ListName, row: Waiting) -> dict[str, str]:
    """Return a row as plain data, in the columns of an export."""
    values = row._asdict() | {"list": name, "since": f"{utc_text(row.since)}Z".replace(" ", "T")}
    return {column: str(values[column]) for column in COLUMNS}
