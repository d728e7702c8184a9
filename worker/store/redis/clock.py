"""The clock of the ledger: every time that is compared with one stored in Redis comes from it.

It is the clock of Redis, except where that clock steps (see `ledger_time.lua`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from worker.store.redis import catalog
from worker.store.redis.scripts import Scripts
from worker.store.redis.witness import CLOCK, own_clock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis import Redis
    from redis.client import Pipeline

#: As in `ledger_time.lua`: microseconds that cannot have passed unseen, and the part by which the ledger approaches
#: Redis' clock again.
_JUMP: Final = 1_200_000
_SLEW: Final = 0.005


def now(redis: Redis) -> int:
    """Return the time of the ledger in whole milliseconds since 1970."""
    seconds, micros = Scripts(redis)(catalog.NOW)
    return int(seconds) * 1000 + int(micros) // 1000


def enqueue_reading(pipe: Pipeline) -> None:
    """Add to a pipeline what `read_time` needs: a user of Redis who may run no script can read it."""
    pipe.time()
    pipe.hgetall(CLOCK)


def read_time(time: tuple[int, int], fields: Mapping[str, str]) -> float:
    """Return the time of the ledger in Unix seconds, as `ledger_time.lua` does, without noting it."""
    seconds, micros = time
    raw, host, up = seconds * 1_000_000 + micros, *own_clock()
    read, ahead = float(fields.get("read", raw)), float(fields.get("ahead", 0))
    gap = raw - read
    passed = max(gap, 0.0)
    if gap > _JUMP and (known := fields.get(host)):
        up_then, at_then = map(float, known.split())
        passed = max(0.0, min(gap, at_then + up - up_then - read - ahead))
    ahead -= gap - passed
    slewed = passed * _SLEW
    ahead = max(0.0, ahead - slewed) if ahead > 0 else min(0.0, ahead + slewed)
    return (raw + ahead) / 1e6


@dataclass(frozen=True, slots=True)
class Step:
    """The last step of Redis' clock."""

    #: Seconds by which it stepped, negative if it went back, and when (Unix seconds, by the ledger).
    seconds: float
    at: float
    #: Seconds by which the ledger is ahead of Redis' clock now.
    ahead: float


def read_step(fields: Mapping[str, str]) -> Step | None:
    """Return the last step from the fields of `CLOCK`, if there was one."""
    if "stepped" not in fields:
        return None
    stepped, at, ahead = (float(fields[name]) / 1e6 for name in ("stepped", "stepped_at", "ahead"))
    return Step(stepped, at, ahead)


def went_back(redis: Redis) -> bool:
    """Return whether Redis' clock stepped back since the last `shorten_expiries`."""
    return bool(redis.hexists(CLOCK, "repair"))


def shorten_expiries(redis: Redis, lifetimes_ms: Mapping[str, int]) -> None:
    """After a step back, give these keys no more than their longest time to live again.

    Redis keeps the time at which a key expires, so the lease of a dead process would live for as long as the step.
    """
    with redis.pipeline(transaction=False) as pipe:
        for key, lifetime in lifetimes_ms.items():
            pipe.pexpire(key, lifetime, lt=True)
        pipe.hdel(CLOCK, "repair")
        pipe.execute()
