"""Nudges that no worker has taken yet: the same nudge is not sent twice, so nudges do not pile up in the broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from worker.store.health.signs import TOOK, Signs
from worker.store.redis import catalog
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from redis import Redis

#: One queue for each kind of work, so that a kind of work can have its own workers.
QUEUES: Final = ("intake.poll", "intake.deliver", "intake.ingest", "intake.upkeep")
#: The tasks that are nudged for one account each.
_TASKS: Final = ("poll", "fetch", "backfill", "deliver", "doubt")


class Nudges:
    """The nudges that were sent and not taken yet.

    Celery can let a message expire, but compares the clocks of two hosts: where they differ, every nudge would expire
    unread. So a nudge never expires. Instead, the same nudge is sent again only after a worker took the last one, or
    after `lifetime` seconds.
    """

    def __init__(self, redis: Redis, lifetime: float) -> None:
        self._redis, self._scripts = redis, Scripts(redis)
        self._lifetime_ms = int(lifetime * 1000)
        self._signs = Signs(redis)

    def offer(self, task: str, name: str) -> bool:
        """Return whether to send this nudge now: False while the same nudge waits for a worker. Raise StoreFull.

        A Redis that has only no room left takes it: deliveries make room.
        """
        mark = self._key(task, name)
        return bool(self._scripts(catalog.MARK, mark=mark, value="1", lifetime_ms=self._lifetime_ms))

    def waiting(self, nudges: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return those of these nudges (task and account) that were sent and that no worker took; one round trip."""
        marks = self._redis.mget([self._key(*nudge) for nudge in nudges]) if nudges else []
        return {nudge for nudge, mark in zip(nudges, marks, strict=True) if mark is not None}

    def take(self, task: str, name: str) -> None:
        """Note that a worker took this nudge: the next one is sent again."""
        self._redis.delete(self._key(task, name))
        self._signs.give(TOOK)

    def others_wait(self, task: str, name: str, names: Iterable[str]) -> bool:
        """Return whether another nudge than this one waits for a worker, for any of the accounts `names`."""
        own = self._key(task, name)
        others = [key for other in _TASKS for account in names if (key := self._key(other, account)) != own]
        return bool(others) and bool(self._redis.exists(*others))

    def lifetimes_ms(self, names: Iterable[str]) -> dict[str, int]:
        """Return how long each mark of a sent nudge of the accounts `names` lives, by its key."""
        return {self._key(task, name): self._lifetime_ms for task in _TASKS for name in names}

    @staticmethod
    def _key(task: str, name: str) -> str:
        return f"intake:nudge:{task}:{name}"

    def drop_waiting(self, queue: str) -> None:
        """Delete the messages that wait in a Celery queue whose messages all mean the same."""
        self._redis.delete(queue)
