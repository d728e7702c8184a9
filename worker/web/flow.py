"""The orders of the last days as a picture: how many were taken in, and how many were delivered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from worker.store.orders.days import Days

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable
    from datetime import date

    from worker.runtime import Runtime

#: Days that the picture shows.
_DAYS: Final = 14
#: The size of the plot in units of the picture, and the share of a day that its bars fill.
WIDTH, HEIGHT, _FILLED = 700, 120, 0.68


@dataclass(frozen=True, slots=True)
class Day:
    """The orders of one day, summed over the targets, and the places of its bars in the picture."""

    date: date
    accepted: int
    delivered: int
    x: float
    width: float
    accepted_height: float
    delivered_height: float


@dataclass(frozen=True, slots=True)
class Flow:
    """The orders of some days; `top` is the number of orders at the upper edge of the picture."""

    days: list[Day]
    top: int
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def today(self) -> Day:
        """The last day, which is not over."""
        return self.days[-1]


def read_flow(rt: Runtime, today: date) -> Flow:
    """Read the counters of the last days; one round trip."""
    days = [today - timedelta(ago) for ago in reversed(range(_DAYS))]
    counters = Days(rt.redis).read(rt.settings.targets, days[0], days[-1]).values()
    by_day = [[of_target[day] for of_target in counters] for day in days]
    counts = [(_sum(of_day, "in "), _sum(of_day, "out ")) for of_day in by_day]
    top = _round_up(max(max(pair) for pair in counts))
    slot = WIDTH / _DAYS
    width = slot * _FILLED / 2
    return Flow(
        [
            Day(
                day,
                accepted,
                delivered,
                round(number * slot + slot * (1 - _FILLED) / 2, 1),
                round(width, 1),
                round(accepted / top * HEIGHT, 1),
                round(delivered / top * HEIGHT, 1),
            )
            for number, (day, (accepted, delivered)) in enumerate(zip(days, counts, strict=True))
        ],
        top,
    )


def _sum(counters: Iterable[Counter[str]], event: str) -> int:
    return sum(count for counter in counters for name, count in counter.items() if name.startswith(event))


def _round_up(most: int) -> int:
    """Return the next round number, at least 10: its half is whole."""
    sizes = (step * 10**power for power in range(1, 18) for step in (1, 2, 3, 4, 5, 6, 8))
    size: int = next(size for size in sizes if size >= most)
    return size
