"""Backfills: a range of a provider that is read again, with a cursor and a lease of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.store.feeds.cursors import Cursors
from worker.store.redis import keys

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Mapping
    from datetime import datetime

    from worker.store.feeds.cursors import Poll

#: Seconds between two runs of one that has come to its end: it is never run again.
_NEVER = 1e9


class Backfills(Cursors):
    """The backfills of all providers, one of each: fields as of a cursor, and `since`, `until` (Unix ms), counts."""

    key, lease = staticmethod(keys.backfill), staticmethod(keys.backfilling)

    def begin(self, provider: str, since: datetime, until: datetime) -> bool:
        """Have the range read; False if another range is being read now. A range that was stopped is forgotten.

        The workers see to it: at the next sweep, or when they are told.
        """
        wish = {"since": str(int(since.timestamp() * 1000)), "until": str(int(until.timestamp() * 1000))}
        known = self.status(provider)
        if "since" in known and not known.keys() & {"finished", "paused"}:
            return known | wish == known
        # In one step: a worker that still reads the former range finds its lease gone, and ends.
        with self.redis.pipeline() as pipe:
            pipe.delete(self.key(provider), self.lease(provider))
            for name, value in wish.items():
                pipe.hset(self.key(provider), name, value)
            pipe.execute()
        return True

    def run(self, provider: str) -> contextlib.AbstractContextManager[Poll | str]:
        """Take the lease of the backfill; yields why not: "busy", "paused", "early" (at its end, or it waits)."""
        return self.poll(provider, _NEVER)

    def is_waiting(self, provider: str) -> bool:
        """Whether there is one that may go on now."""
        return bool(self.redis.hexists(self.key(provider), "since")) and super().is_waiting(provider)

    def defer(self, provider: str, why: str, seconds: float) -> None:
        """Let it wait for so long: nothing has failed."""
        self.scripts(
            "note", [self.key(provider)], ["", "error", "waits", why, "retry_at", self.now() + int(seconds * 1000)]
        )

    def count(self, provider: str, counts: Mapping[str, int], times: Mapping[str, int]) -> None:
        """Add to the counts, and note when the orders were placed that were read (`first`, `last`, Unix ms)."""
        with self.redis.pipeline(transaction=False) as pipe:
            for name, count in counts.items():
                pipe.hincrby(self.key(provider), f"n_{name}", count)
            for name, at in times.items():
                pipe.hset(self.key(provider), name, str(at))
            pipe.hdel(self.key(provider), "waits")
            pipe.execute()
