"""Hints on their way to the workers, so that they do not pile up while nobody takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from redis.exceptions import ResponseError

from worker.store.health.signs import TOOK, Signs
from worker.store.redis.connection import refuses

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis import Redis

#: One queue for each kind of work, so that one can be given workers of its own.
QUEUES: Final = ("intake.poll", "intake.deliver", "intake.ingest", "intake.upkeep")
#: The tasks that have a hint for each account.
_OF_NAMES: Final = ("poll", "fetch", "backfill", "deliver", "doubt")


class Hints:
    """Notes which hints are out.

    Celery can let a message expire, but by the clocks of two hosts: where they differ, every hint would be thrown away
    unread. So a hint never expires; instead the same one is sent again only once it was taken, or `life` seconds later.
    """

    def __init__(self, redis: Redis, life: float) -> None:
        self._redis, self._life_ms = redis, int(life * 1000)
        self._signs = Signs(redis)

    def offer(self, task: str, name: str) -> bool:
        """Whether to send the hint: not while the same one is out. Raises StoreFull."""
        try:
            return bool(self._redis.set(self._key(task, name), 1, nx=True, px=self._life_ms))
        except ResponseError as error:
            if full := refuses(error):
                raise full from None
            raise

    def taken(self, task: str, name: str) -> None:
        """Note that a worker has begun: from now on a new hint means something again."""
        self._redis.delete(self._key(task, name))
        self._signs.give(TOOK)

    def others_wait(self, task: str, name: str, names: Iterable[str]) -> bool:
        """Whether hints are out that no worker has taken yet, for any of `names`, but for this one."""
        own = self._key(task, name)
        out = [key for kind in _OF_NAMES for one in names if (key := self._key(kind, one)) != own]
        return bool(out) and bool(self._redis.exists(*out))

    @staticmethod
    def _key(task: str, name: str) -> str:
        return f"intake:hint:{task}:{name}"

    def drop_waiting(self, queue: str) -> None:
        """Throw away the messages that wait in a Celery queue in which all messages mean the same."""
        self._redis.delete(queue)
