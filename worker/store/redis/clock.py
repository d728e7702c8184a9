"""The clock that counts: whatever is compared with what Redis holds is told by Redis' own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis import Redis


def now(redis: Redis) -> int:
    """The time of Redis in whole milliseconds since 1970."""
    seconds, micros = redis.time()
    return int(seconds * 1000 + micros // 1000)
