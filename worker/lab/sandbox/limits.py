"""A rate limit as a web server keeps it: so many calls in any window."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Seen:
    """What one address did; times in seconds of the monotonic clock."""

    accepted: int = 0
    refused: int = 0
    first: float = 0.0
    last: float = 0.0
    smallest_gap: float | None = None
    #: When the newest accepted calls came, as many as fill a window.
    newest: deque[float] = field(default_factory=deque, repr=False)

    def report(self) -> dict[str, Any]:
        """The same as JSON; `first` and `last` are the first and last accepted call."""
        return {
            "accepted": self.accepted,
            "refused": self.refused,
            "first": self.first if self.accepted else None,
            "last": self.last if self.accepted else None,
            "smallest_gap": self.smallest_gap,
        }


class LeakyBucket:
    """Refuses a call if `calls` of the same address were *accepted* in the `window` seconds before it.

    With one call, that is nginx's `limit_req` without `burst`: a refused call costs nothing, and no credit is saved up.
    A window of zero is no limit; calls are counted all the same.
    """

    def __init__(self, window: float, calls: int = 1) -> None:
        self.window, self.calls = window, calls
        self.addresses: dict[str, Seen] = {}

    def take(self, address: str, now: float) -> bool:
        """Whether the call may pass."""
        seen = self.addresses.get(address)
        if seen is None:
            seen = self.addresses[address] = Seen()
        while len(seen.newest) > self.calls or (seen.newest and now - seen.newest[0] >= self.window):
            seen.newest.popleft()
        if len(seen.newest) == self.calls:
            seen.refused += 1
            return False
        if not seen.accepted:
            seen.first = now
        elif seen.smallest_gap is None or now - seen.last < seen.smallest_gap:
            seen.smallest_gap = now - seen.last
        seen.newest.append(now)
        seen.accepted += 1
        seen.last = now
        return True

    def report(self) -> dict[str, Any]:
        """Counts over all addresses, from which the used share of the limit follows, and those of each address."""
        everyone = list(self.addresses.values())
        active = [seen for seen in everyone if seen.accepted]
        gaps = [seen.smallest_gap for seen in active if seen.smallest_gap is not None]
        return {
            "window": self.window,
            "accepted": sum(seen.accepted for seen in everyone),
            "refused": sum(seen.refused for seen in everyone),
            "first": min((seen.first for seen in active), default=None),
            "last": max((seen.last for seen in active), default=None),
            "smallest_gap": min(gaps, default=None),
            "addresses": {address: seen.report() for address, seen in self.addresses.items()},
        }
