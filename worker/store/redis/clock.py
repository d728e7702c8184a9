"""The clock of the ledger: every time that is compared with one stored in Redis comes from it.

It is the clock of Redis, except where that clock steps (see `ledger_time.lua`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from worker.store.redis import catalog
from worker.store.redis.scripts import Scripts
from worker.store.redis.witness import CLOCK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis import Redis


def now(redis: Redis) -> int:
    """Return the time of the ledger in whole milliseconds since 1970."""
    seconds, micros = Scripts(redis)(catalog.NOW)
    return int(seconds) * 1000 + int(micros) // 1000


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
