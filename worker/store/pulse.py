"""The pulse: when each process was last seen, and each task was last begun."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Final, cast

from worker.errors import StoreFull
from worker.store import clock, keys
from worker.store.connection import ERRORS
from worker.store.scripts import Scripts

if TYPE_CHECKING:
    from redis import Redis

#: Seconds in which one process notes the same name once.
_EVERY: Final = 1.0


class Pulse:
    """Names are "beat", "process worker@host", "did sweep"; for a person who looks, nothing is decided by it."""

    def __init__(self, redis: Redis) -> None:
        self._redis, self._scripts = redis, Scripts(redis)
        self._noted: dict[str, float] = {}

    def note(self, name: str) -> None:
        """Note that it is alive now; a Redis that does not answer is told of by what needs it more."""
        now = time.monotonic()
        if now - self._noted.get(name, -_EVERY) < _EVERY:
            return
        self._noted[name] = now
        with contextlib.suppress(StoreFull, *ERRORS):
            self._scripts("pulse", [keys.PULSE], [name])

    def seen(self) -> dict[str, float]:
        """Seconds since each was noted, by name."""
        now = clock.now(self._redis)
        found = cast("list[tuple[str, float]]", self._redis.zrange(keys.PULSE, 0, -1, withscores=True))
        return {name: max(0.0, round((now - at) / 1000, 1)) for name, at in found}
