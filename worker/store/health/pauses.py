"""A pause of a lane or of a provider's polls: the reason, and when it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from worker.store.redis import catalog
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from redis import Redis

_ANY: Final = "*"


class Pause:
    """Two fields of a hash: `paused` (the reason), and `paused_until` (ms on Redis' clock) if it ends automatically.

    Both methods take what the caller saw: the reason of the pause, "" for no pause, None for whatever there is. They
    return False, and change nothing, if somebody else paused or resumed it meanwhile.
    """

    def __init__(self, redis: Redis, key: str) -> None:
        self._key = key
        self._scripts = Scripts(redis)

    def begin(self, reason: str, seconds: float | None = None, seen: str | None = None) -> bool:
        """Pause for `seconds`, or until `end`."""
        return self._write(reason or "by hand", seen, "" if seconds is None else int(seconds * 1000))

    def end(self, seen: str | None = None) -> bool:
        """End the pause."""
        return self._write("", seen)

    def _write(self, reason: str, seen: str | None, duration_ms: int | str = "") -> bool:
        seen = _ANY if seen is None else seen
        return bool(self._scripts(catalog.PAUSE, hash=self._key, wanted=reason, seen=seen, duration_ms=duration_ms))
