"""A Redis that forgets what one script has written, as soon as the script has returned."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from worker.store.redis.failpoints import FORGET, SNAPSHOT
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

    from worker.store.redis.catalog import Script

#: The database that holds the copy.
COPY = 11


class Rewind:
    """A copy of the database, and the way back to it."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._db = redis.connection_pool.connection_kwargs.get("db") or 0

    def save(self) -> None:
        self._redis.eval(SNAPSHOT, 0, COPY, self._db)

    def restore(self) -> None:
        self._redis.eval(FORGET, 0, COPY, self._db)


@contextmanager
def forgotten(redis: Redis, script: Script, *, skip: int = 0) -> Iterator[None]:
    """Forget what the next call of `script` writes, after `skip` other calls of it."""
    rewind, calls, original = Rewind(redis), [0], Scripts.__call__

    def call(self: Scripts, called: Script, *args: Any, **named: Any) -> Any:
        if called is not script:
            return original(self, called, *args, **named)
        calls[0] += 1
        if calls[0] != skip + 1:
            return original(self, called, *args, **named)
        rewind.save()
        answer = original(self, called, *args, **named)
        rewind.restore()
        return answer

    with patch.object(Scripts, "__call__", call):
        yield
    assert calls[0] > skip, f"{script.name} was not called"
