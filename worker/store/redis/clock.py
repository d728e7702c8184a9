"""Redis' clock: every time that is compared with one stored in Redis comes from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis import Redis


def now(redis: Redis) -> int:
    """Return the time of Redis in whole milliseconds since 1970."""
    seconds, micros = redis.time()
    return int(seconds * 1000 + micros // 1000)
