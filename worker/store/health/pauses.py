"""A pause of a lane or of a provider's polls: the reason, and when it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.store.redis import catalog, clock
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from redis import Redis


class Pause:
    """Two fields of a hash: `paused` (the reason), and `paused_until` (ms on Redis' clock) if it ends automatically."""

    def __init__(self, redis: Redis, key: str) -> None:
        self._redis, self._key = redis, key
        self._scripts = Scripts(redis)

    def begin(self, reason: str, seconds: float | None = None) -> None:
        """Pause for `seconds`, or until `end`."""
        if seconds is None:
            self._note(["paused", reason], forgotten="paused_until")
            return
        until = clock.now(self._redis) + int(seconds * 1000)
        self._note(["paused", reason, "paused_until", until])

    def _note(self, fields: list[str | int], forgotten: str = "") -> None:
        self._scripts(catalog.NOTE, fields, hash=self._key, counter="", forgotten=forgotten)

    def end(self) -> None:
        """End the pause."""
        self._redis.hdel(self._key, "paused", "paused_until")
