"""Rate limits: so many calls in so many seconds, and several of them together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_FORM: Final = re.compile(r"([1-9][0-9]{0,8})\s*/\s*([1-9][0-9]{0,4})?\s*(s|m|h|d)")
_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` calls in any window of `period` seconds."""

    count: int
    period: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `10/s`, `600/m`, `5000/h`, `100000/d` or `100/10s`; raise ValueError for anything else."""
        if (match := _FORM.fullmatch(text.strip().lower())) is None:
            raise ValueError("not a limit")
        count, times, unit = match.groups()
        return cls(int(count), int(times or 1) * _SECONDS[unit])

    @property
    def rate(self) -> float:
        """Calls per second."""
        return self.count / self.period

    def __str__(self) -> str:
        for unit, seconds in reversed(_SECONDS.items()):
            if self.period % seconds == 0:
                times = int(self.period / seconds)
                return f"{self.count}/{'' if times == 1 else times}{unit}"
        return f"{self.count}/{self.period:g}s"


def combine_limits(accounts: Iterable[Sequence[Limit]]) -> tuple[Limit, ...]:
    """Return the limits that keep all limits of several accounts, the shortest window first.

    The first window is spaced evenly, so it also keeps every limit with a higher rate. Of the others, the lowest count
    of each period remains.
    """
    configured = [limits for limits in accounts if limits]
    if not configured:
        return ()
    first = min((limits[0] for limits in configured), key=lambda limit: limit.rate)
    counts: dict[float, int] = {}
    for limit in (limit for limits in configured for limit in limits if limit.rate < first.rate):
        counts[limit.period] = min(limit.count, counts.get(limit.period, limit.count))
    return first, *(Limit(counts[period], period) for period in sorted(counts))
