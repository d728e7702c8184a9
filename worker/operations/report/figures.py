"""The figures of a period, added up from the counters of its days."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

#: The ledger's names for results other than a delivery: the order ended, waits, or was retried.
TROUBLES: Final = ("dead", "in_doubt", "held", "retry")
#: The name of a count of delays, in tenths of a second.
_DELAY: Final = re.compile("t([0-9]+) ")


@dataclass(frozen=True, slots=True)
class Sum:
    """The total of some days of some targets; an order counts once for each of its targets."""

    counts: Counter[str]

    @classmethod
    def of(cls, parts: Iterable[Counter[str]], provider: str = "") -> Sum:
        """Add the counters of days (see `worker/store/orders/days.py`), of all providers or of one."""
        total: Counter[str] = Counter()
        for part in parts:
            total.update({name: count for name, count in part.items() if provider in {"", name.rpartition(" ")[2]}})
        return cls(total)

    def by(self, event: str) -> dict[str, int]:
        """Return the counts of an event: "in" and "out" by provider, one of `TROUBLES` by its code."""
        found: Counter[str] = Counter()
        for name, count in sorted(self.counts.items()):
            if name.startswith(f"{event} ") and count:
                found[name.split(" ")[1]] += count
        return dict(found)

    def all(self, event: str) -> int:
        """Return the total count of an event."""
        return sum(self.by(event).values())

    @property
    def changed(self) -> int:
        """The number of delivered changes of delivered orders."""
        return self.all("updated") + self.all("cancelled")

    def percentile(self, share: float) -> float | None:
        """Return the percentile of the delays from accept to delivery, in seconds; None without a delivery.

        The result is the delay of an order, of which the ledger keeps two digits.
        """
        delays = sorted((int(match[1]), self.counts[name]) for name in self.counts if (match := _DELAY.match(name)))
        rank, seen = math.ceil(share * sum(count for _, count in delays)), 0
        for tenths, count in delays:
            seen += count
            if seen >= rank:
                return tenths / 10
        return None


@dataclass(frozen=True, slots=True)
class Figures:
    """The counters of a period, by target and day."""

    days: Mapping[str, Mapping[date, Counter[str]]]
    #: The provider whose orders are counted; "" for all.
    provider: str = ""

    @property
    def dates(self) -> Sequence[date]:
        """The days of the period, in ascending order."""
        return sorted({day for days in self.days.values() for day in days})

    def total(self, dates: Iterable[date] | None = None, target: str | None = None) -> Sum:
        """Return the total of some days or of the period, of one target or of all."""
        targets = self.days if target is None else [target]
        return Sum.of((self.days[name][day] for day in dates or self.dates for name in targets), self.provider)

    def pairs(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Return the accepted and delivered orders by provider and target, where there are any."""
        counts = {}
        for target in self.days:
            total = self.total(target=target)
            accepted, delivered = total.by("in"), total.by("out")
            for provider in sorted(accepted.keys() | delivered.keys()):
                counts[provider, target] = accepted.get(provider, 0), delivered.get(provider, 0)
        return counts
