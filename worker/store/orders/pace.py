"""The pace of a target: from how long its calls take follows how many of them its limit needs at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Seconds from one call to the next of a process without a limit: it hardly makes more than 500 calls in a second.
_SHORTEST: Final = 0.002
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
        # One that takes longer than those before may be the first of many.
        self._attempt = max(attempt, self._attempt + (attempt - self._attempt) * _NEWEST)

    def width(self, interval: float) -> int:
        """Return how many calls have to be under way for one to begin every `interval` seconds (0: no limit)."""
        interval = max(interval, _SHORTEST)
        if self._call is None or self._call < interval / 2:
            return 1
        return math.ceil(self._call * _RESERVE / interval) + 1

    def stock(self, interval: float, width: int) -> float:
        """Return how many attempts begin in `SHARE` seconds, if `width` are made at once."""
        if self._call is None:
            return 0.0
        rates = [width / max(self._attempt, 1e-6), *([1 / interval] if interval else [])]
        return min(rates) * SHARE
