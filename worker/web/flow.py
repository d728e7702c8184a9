"""The orders of the last days, and of the hours of one, as pictures: how many were accepted and delivered."""

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
class Bar:
    """The orders of one day or hour, summed over the targets, and the places of its two bars in the picture."""

    accepted: int
    delivered: int
    x: float
    width: float
    accepted_height: float
    delivered_height: float


@dataclass(frozen=True, slots=True)
class Flow:
    """The orders of some days, and of the hours of one of them."""

    days: list[tuple[date, Bar]]
    #: The number of orders at the upper edge of the picture.
    top: int
    #: The day whose hours are shown, and the same of them.
    day: date
    hours: list[Bar]
    hours_top: int
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def today(self) -> Bar:
        """The last day, which is not over."""
        return self.days[-1][1]


def read_flow(rt: Runtime, today: date, day: str = "") -> Flow:
    """Read the counters of the last days, and of the hours of one of them (today, if there is no such day)."""
    days = [today - timedelta(ago) for ago in reversed(range(_DAYS))]
    chosen = next((each for each in days if each.isoformat() == day), today)
    counters = Days(rt.redis)
    by_target = counters.read(rt.settings.targets, days[0], days[-1]).values()
    by_day = [[of_target[each] for of_target in by_target] for each in days]
    bars, top = _bars([(_sum(of_day, "in "), _sum(of_day, "out ")) for of_day in by_day])
    hours, hours_top = _bars(counters.read_hours(rt.settings.targets, chosen))
    return Flow(list(zip(days, bars, strict=True)), top, chosen, hours, hours_top)


def _bars(counts: list[tuple[int, int]]) -> tuple[list[Bar], int]:
    """Return the bars of these counts, and the number of orders at the upper edge."""
    top = _round_up(max(max(pair) for pair in counts))
    slot = WIDTH / len(counts)
    return [
        Bar(
            accepted,
            delivered,
            round(number * slot + slot * (1 - _FILLED) / 2, 1),
            round(slot * _FILLED / 2, 1),
            round(accepted / top * HEIGHT, 1),
            round(delivered / top * HEIGHT, 1),
        )
        for number, (accepted, delivered) in enumerate(counts)
    ], top


def _sum(counters: Iterable[Counter[str]], event: str) -> int:
    return sum(count for counter in counters for name, count in counter.items() if name.startswith(event))


def _round_up(most: int) -> int:
    """Return the next round number, at least 10: its half is whole."""
    sizes = (step * 10**power for power in range(1, 18) for step in (1, 2, 3, 4, 5, 6, 8))
    size: int = next(size for size in sizes if size >= most)
    return size
