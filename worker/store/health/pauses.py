"""A pause of a lane or of a provider's polls: why, and until when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.store.redis import clock
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from redis import Redis


class Pause:
    """What stands in one hash: `paused` (the reason), and `paused_until` (Redis' clock, ms) if it ends by itself."""

    def __init__(self, redis: Redis, key: str) -> None:
        self._redis, self._key = redis, key
        self._scripts = Scripts(redis)

    def begin(self, reason: str, seconds: float | None = None) -> None:
        """Pause, for so many seconds, or until resumed."""
        if seconds is None:
            self._scripts("note", [self._key], ["", "paused_until", "paused", reason])
            return
        until = clock.now(self._redis) + int(seconds * 1000)
        self._scripts("note", [self._key], ["", "", "paused", reason, "paused_until", until])

    def end(self) -> None:
        """Go on."""
        self._redis.hdel(self._key, "paused", "paused_until")

    def end_if_over(self) -> bool:
        """Go on if the time of the pause is over; whether it was."""
        return bool(self._scripts("unpause", [self._key], []))
