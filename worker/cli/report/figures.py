"""The figures of a period, added up from the counters of its days."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

#: How the ledger names what did not go straight on: it ended, or waits, or was tried again.
TROUBLES: Final = ("dead", "in_doubt", "held", "retry")


@dataclass(frozen=True, slots=True)
class Sum:
    """What some days of some targets add up to; each order counts once for each target it goes to."""

    counts: Counter[str]

    @classmethod
    def of(cls, parts: Iterable[Counter[str]]) -> Sum:
        """Add up the counters of days (see `worker/store/orders/days.py`)."""
        total: Counter[str] = Counter()
        for part in parts:
            total.update(part)
        return cls(total)

    def by(self, what: str) -> dict[str, int]:
        """The counts of "in" and "out" by provider, of a trouble by its code."""
        return {
            name.partition(" ")[2]: count
            for name, count in sorted(self.counts.items())
            if name.startswith(f"{what} ") and count
        }

    def all(self, what: str) -> int:
        """The same, however it is divided."""
        return sum(self.by(what).values())

    @property
    def changed(self) -> int:
        """Changes of orders that were there already."""
        return self.counts["updated"]

    def within(self, part: float) -> float | None:
        """The seconds from accept to delivery that this part of all deliveries took at most; None if there was none.

        The ledger keeps two digits of each delay: this one was the delay of an order, rounded to them.
        """
        took = sorted((int(name[1:]), count) for name, count in self.counts.items() if _is_delay(name))
        rank, seen = math.ceil(part * sum(count for _, count in took)), 0
        for tenths, count in took:
            seen += count
            if seen >= rank:
                return tenths / 10
        return None


def _is_delay(name: str) -> bool:
    return name.startswith("t") and name[1:].isdecimal()


@dataclass(frozen=True, slots=True)
class Figures:
    """All counters of a period, by target and day."""

    days: Mapping[str, Mapping[date, Counter[str]]]

    @property
    def dates(self) -> Sequence[date]:
        """The days of the period, in their order."""
        return sorted({day for days in self.days.values() for day in days})

    def total(self) -> Sum:
        """Everything."""
        return Sum.of(counts for days in self.days.values() for counts in days.values())

    def target(self, name: str) -> Sum:
        """One target, all days."""
        return Sum.of(self.days[name].values())

    def day(self, day: date, target: str | None = None) -> Sum:
        """One day, of one target or of all."""
        return Sum.of(days[day] for name, days in self.days.items() if target in {None, name})

    def pairs(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Accepted and delivered by provider and target, where there was either."""
        found = {}
        for target in self.days:
            total = self.target(target)
            came, went = total.by("in"), total.by("out")
            for provider in sorted(came.keys() | went.keys()):
                found[provider, target] = came.get(provider, 0), went.get(provider, 0)
        return found
