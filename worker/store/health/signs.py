"""Signs of life: which processes and tasks were last heard of, and when, on Redis' clock."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Final, cast

from worker.errors import StoreFull
from worker.store.redis import clock
from worker.store.redis.connection import ERRORS
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from redis import Redis

_SIGNS: Final = "intake:signs"
#: The sweep was begun: beat ticks, and upkeep hears it. Each other task has its own: "did poll".
SWEPT: Final = "did sweep"
#: Beat sent a tick.
BEAT: Final = "beat"
#: A worker took a nudge: the queues are read.
TOOK: Final = "took"
#: A process whose loop turns: the part it plays, followed by its name: `worker worker@host`.
WORKER: Final = "worker"
UPKEEP: Final = "upkeep"
PROCESSES: Final = (f"{WORKER} ", f"{UPKEEP} ")
#: Seconds in which one process gives the same sign once.
_EVERY: Final = 1.0


class Signs:
    """The last sign of life of everybody who gives one; forgotten after a day."""

    def __init__(self, redis: Redis) -> None:
        self._redis, self._scripts = redis, Scripts(redis)
        self._given: dict[str, float] = {}

    def give(self, whose: str) -> None:
        """Note a sign of life; a Redis that is away or full is not the reason why somebody stops working."""
        now = time.monotonic()
        if now - self._given.get(whose, -_EVERY) < _EVERY:
            return
        self._given[whose] = now
        with contextlib.suppress(StoreFull, *ERRORS):
            self._scripts("sign", [_SIGNS], [whose])

    def all(self) -> dict[str, float]:
        """By whose it is, Unix seconds."""
        found = cast("list[tuple[str, float]]", self._redis.zrange(_SIGNS, 0, -1, withscores=True))
        return {whose: at / 1000 for whose, at in found}

    def ages(self) -> dict[str, float]:
        """By whose it is, seconds ago."""
        now = clock.now(self._redis) / 1000
        return {whose: max(0.0, round(now - at, 1)) for whose, at in self.all().items()}
