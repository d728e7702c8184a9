"""Signs of life: when each process and task was last active, on Redis' clock."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Final, cast

from worker.errors import StoreFull
from worker.store.redis import catalog, clock
from worker.store.redis.connection import ERRORS
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from redis import Redis

_SIGNS: Final = "intake:signs"
#: The fingerprint of the settings that each process runs with, by the name of its sign.
FILES: Final = "intake:files"
#: The sweep began: beat ticks, and upkeep reads its queue. Each other task has a sign of its own, such as "did poll".
SWEPT: Final = "did sweep"
#: Beat sent a tick.
BEAT: Final = "beat"
#: A worker took a nudge: the queues are read.
TOOK: Final = "took"
#: A process whose loop runs: its role, followed by its name: `worker worker@host`.
WORKER: Final = "worker"
UPKEEP: Final = "upkeep"
LISTEN: Final = "listen"
PROCESSES: Final = (f"{WORKER} ", f"{UPKEEP} ")
#: Seconds in which one process gives the same sign at most once.
_EVERY: Final = 1.0


class Signs:
    """The last sign of life by name; forgotten after a day."""

    def __init__(self, redis: Redis) -> None:
        self._redis, self._scripts = redis, Scripts(redis)
        self._given: dict[str, float] = {}

    def give(self, name: str, file: str = "") -> None:
        """Note a sign of life; ignore a Redis that is unreachable or full, so that the caller keeps working.

        `file` is the fingerprint of the settings of the process whose sign it is.
        """
        now = time.monotonic()
        if now - self._given.get(name, -_EVERY) < _EVERY:
            return
        self._given[name] = now
        with contextlib.suppress(StoreFull, *ERRORS):
            self._scripts(catalog.SIGN, signs=_SIGNS, files=FILES, name=name, file=file)

    def all(self) -> dict[str, float]:
        """Return the time of each last sign in Unix seconds, by name."""
        signs = cast("list[tuple[str, float]]", self._redis.zrange(_SIGNS, 0, -1, withscores=True))
        return {name: at / 1000 for name, at in signs}

    def ages(self) -> dict[str, float]:
        """Return the age of each last sign in seconds, by name."""
        now = clock.now(self._redis) / 1000
        return {name: max(0.0, round(now - at, 1)) for name, at in self.all().items()}
