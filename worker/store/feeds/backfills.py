"""Backfills: a range of a provider that is read again, with its own cursor and lease."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from worker.store.feeds.cursors import Cursors
from worker.store.redis import catalog, keys

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Mapping
    from datetime import datetime

    from worker.store.feeds.cursors import Poll
    from worker.store.redis.catalog import Argument

#: Seconds between two runs of a finished backfill: it never runs again.
_NEVER: Final = 1e9


class Backfills(Cursors):
    """The backfills of all providers, one each: fields as of a cursor, and `since`, `until` (Unix ms), counts."""

    key, lease = staticmethod(keys.backfill), staticmethod(keys.backfilling)

    def begin(self, provider: str, since: datetime, until: datetime) -> bool:
        """Have the range read; return False if another range is being read now. A stopped range is forgotten.

        The workers start it: at the next sweep, or at a nudge.
        """
        requested = {"since": str(int(since.timestamp() * 1000)), "until": str(int(until.timestamp() * 1000))}
        status = self.status(provider)
        if "since" in status and not status.keys() & {"finished", "paused"}:
            return status | requested == status
        # In one step: a worker that still reads the former range finds its lease gone, and ends.
        with self.redis.pipeline() as pipe:
            pipe.delete(self.key(provider), self.lease(provider))
            for name, value in requested.items():
                pipe.hset(self.key(provider), name, value)
            pipe.execute()
        return True

    def run(self, provider: str) -> contextlib.AbstractContextManager[Poll | str]:
        """Take the lease of the backfill; yield a Poll, or "busy", "paused" or "early" (finished, or it waits)."""
        return self.poll(provider, _NEVER)

    def defer(self, provider: str, reason: str, seconds: float) -> None:
        """Let the backfill wait for `seconds`: nothing has failed."""
        fields: list[Argument] = ["waits", reason, "retry_at", self.now() + int(seconds * 1000)]
        self.scripts(catalog.NOTE, fields, hash=self.key(provider), counter="", forgotten="error")

    def count(self, provider: str, counts: Mapping[str, int], times: Mapping[str, int]) -> None:
        """Add to the counts, and note when the orders that were read had been placed (`first`, `last`, Unix ms)."""
        with self.redis.pipeline(transaction=False) as pipe:
            for name, count in counts.items():
                pipe.hincrby(self.key(provider), f"n_{name}", count)
            for name, at in times.items():
                pipe.hset(self.key(provider), name, str(at))
            pipe.hdel(self.key(provider), "waits")
            pipe.execute()
