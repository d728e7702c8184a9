"""A rate limit as a web server enforces it: a number of calls in any window of time."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class AddressCounts:
    """The calls of one address; times in seconds of the monotonic clock."""

    accepted: int = 0
    refused: int = 0
    #: The first and the last accepted call.
    first: float | None = None
    last: float | None = None
    smallest_gap: float | None = None
    #: The times of the newest accepted calls, at most as many as fill a window.
    newest: deque[float] = field(default_factory=deque, repr=False)


class LeakyBucket:
    """Refuses a call if `calls` calls of the same address were *accepted* in the `window` seconds before it.

    With `calls=1` this is nginx's `limit_req` without `burst`: a refused call costs nothing, and no credit is saved up.
    A window of zero is no limit; calls are still counted.
    """

    def __init__(self, window: float, calls: int = 1) -> None:
        self.window, self.calls = window, calls
        self.addresses: defaultdict[str, AddressCounts] = defaultdict(AddressCounts)

    def take(self, address: str, now: float) -> bool:
        """Count a call and return whether it is accepted."""
        counts = self.addresses[address]
        newest = counts.newest
        while len(newest) > self.calls or (newest and now - newest[0] >= self.window):
            newest.popleft()
        if len(newest) == self.calls:
            counts.refused += 1
            return False
        if counts.last is None:
            counts.first = now
        elif counts.smallest_gap is None or now - counts.last < counts.smallest_gap:
            counts.smallest_gap = now - counts.last
        newest.append(now)
        counts.accepted += 1
        counts.last = now
        return True

    def report(self) -> dict[str, Any]:
        """Return the counts over all addresses, from which the used share of the limit follows, and those of each."""
        everyone = self.addresses.values()
        return {
            "window": self.window,
            "accepted": sum(counts.accepted for counts in everyone),
            "refused": sum(counts.refused for counts in everyone),
            "first": min((counts.first for counts in everyone if counts.first is not None), default=None),
            "last": max((counts.last for counts in everyone if counts.last is not None), default=None),
            "smallest_gap": min((c.smallest_gap for c in everyone if c.smallest_gap is not None), default=None),
            "addresses": {
                address: {name: value for name, value in asdict(counts).items() if name != "newest"}
                for address, counts in self.addresses.items()
            },
        }
