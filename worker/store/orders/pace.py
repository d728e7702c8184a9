"""The pace of a target: from how long its calls take follows how many of them its limit needs at once."""

from __future__ import annotations

import math
from collections import deque
from statistics import median_low
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Seconds from one call to the next of a process without a limit: it hardly makes more than 500 calls in a second.
_SHORTEST: Final = 0.002
#: Without a limit: seconds of most calls up to which a process makes them one after the other. Threads would only take
#: turns at the processor, and each turn costs as much as a quarter of a call.
_NEAR: Final = 0.002
#: Seconds of calls on average from which on that does not count, however short most of them are.
_FAR: Final = 0.005
#: The number of calls of which most have to be short. Some are not: the first one connects, and a process has to wait
#: for a busy processor.
_RECENT: Final = 15
#: Seconds of a call above which a target is far away.
_AWAY: Final = 0.02
#: The part of a call that a new measurement counts for.
_NEWEST: Final = 0.125
#: How much longer than on average calls may take before the limit is not used up.
_RESERVE: Final = 1.25
#: Seconds of calls that a drain holds beside those under way; other drains may take the rest.
SHARE: Final = 1.0


class Pace:
    """How long the calls of one target take, as seen by this process."""

    def __init__(self) -> None:
        #: Seconds of one HTTP call, without what it waited for the limit; None before the first one.
        self._call: float | None = None
        self._recent: deque[float] = deque(maxlen=_RECENT)
        #: Seconds of one attempt, which may make several calls, with everything.
        self._attempt = 0.0
        #: Whether the target makes HTTP calls: then what took none tells nothing of them.
        self._calls = False

    def note(self, calls: Sequence[float], attempt: float) -> None:
        """Note how many seconds the calls of an attempt took, and the whole attempt."""
        self._calls = self._calls or bool(calls)
        if not calls and self._calls:
            return
        for seconds in calls or (attempt,):
            self._call = seconds if self._call is None else self._call + (seconds - self._call) * _NEWEST
            self._recent.append(seconds)
        # One that takes longer than those before may be the first of many.
        self._attempt = max(attempt, self._attempt + (attempt - self._attempt) * _NEWEST)

    @property
    def is_far(self) -> bool:
        """Whether calls take so long that an order which arrives meanwhile should not wait for their end."""
        return self._call is not None and self._call > _AWAY

    def width(self, interval: float) -> int:
        """Return how many calls have to be under way for one to begin every `interval` seconds (0: no limit)."""
        if self._call is None or (self._is_near if interval < _SHORTEST else self._call < interval / 2):
            return 1
        return math.ceil(self._call * _RESERVE / max(interval, _SHORTEST)) + 1

    @property
    def _is_near(self) -> bool:
        """Whether the calls are so short that threads would only take turns at the processor."""
        return self._call is not None and self._call < _FAR and median_low(self._recent) < _NEAR

    def stock(self, interval: float, width: int) -> float:
        """Return how many attempts begin in `SHARE` seconds, if `width` are made at once."""
        if self._call is None:
            return 0.0
        rates = [width / max(self._attempt, 1e-6), *([1 / interval] if interval else [])]
        return min(rates) * SHARE
