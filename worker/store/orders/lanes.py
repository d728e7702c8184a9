"""Lanes: the queue of one target."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast

from worker.process.stopping import stopping
from worker.store.health.pauses import Pause
from worker.store.orders.drains import Drain
from worker.store.orders.pace import Pace
from worker.store.redis import catalog, clock, keys
from worker.store.redis.excuses import Excuses
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis import Redis
    from redis.client import Pipeline

    from worker.store.limits.limiter import Scope

#: Drains that may die while they hold an order alone before it is buried as poison.
POISON: Final = 5
#: Milliseconds from one question for the orders in doubt to the next: 10 minutes.
ASK_EVERY: Final = 600_000
#: Orders that are read at each end of a lane to find the one that waits longest.
LOOK: Final = 5
#: Lanes that one pipeline sweeps.
_CHUNK: Final = 200
#: Calls at once for which a lane gets one more drain.
_CALLS_OF_A_DRAIN: Final = 32
#: Milliseconds after which a waiting drain that no longer confirms is considered dead.
WAITING_MS: Final = 3000


@dataclass(frozen=True, slots=True)
class SweepResult:
    """The orders that a sweep freed and buried, and the work that the lane has."""

    freed: int
    buried: int
    due: int
    drains: int
    closed: float
    paused: bool
    #: Seconds since the last sign of life of the drain that died first.
    waited: float
    #: Orders in doubt for which the target is to be asked.
    doubts: int
    #: Bulk orders that are due; `due` counts the others.
    bulk: int
    #: Seconds since the first of the orders that are due became due.
    oldest: float


#: The result of an idle lane.
_NOTHING: Final = SweepResult(0, 0, 0, 0, 0.0, paused=False, waited=0.0, doubts=0, bulk=0, oldest=0.0)


def sweep_lanes(redis: Redis, lanes: Sequence[Lane]) -> list[SweepResult]:
    """Free the orders of the dead drains of each lane, and end the pauses whose time is over.

    It takes two round trips for each `_CHUNK` of lanes, and two more where a lane is paused.
    """
    return [swept for at in range(0, len(lanes), _CHUNK) for swept in _sweep_busy(redis, lanes[at : at + _CHUNK])]


def _sweep_busy(redis: Redis, lanes: Sequence[Lane]) -> list[SweepResult]:
    """Sweep those of the lanes that are not idle: of hundreds of lanes, most have nothing to do in most seconds."""
    # Never the first one: a sweep is also how a new server is noticed before an order comes.
    idle = {lane for lane, is_idle in zip(lanes[1:], _idle(redis, lanes[1:]), strict=True) if is_idle}
    busy = [lane for lane in lanes if lane not in idle]
    swept = dict(zip(busy, _sweep(redis, busy), strict=True))
    return [swept.get(lane, _NOTHING) for lane in lanes]


def _idle(redis: Redis, lanes: Sequence[Lane]) -> list[int]:
    names = [
        name for k in (lane.keys for lane in lanes) for name in (k.lane, k.due, k.drains, k.doubt, k.searches, k.oldest)
    ]
    return cast("list[int]", Scripts(redis)(catalog.IDLE, names)) if names else []


def _sweep(redis: Redis, lanes: Sequence[Lane]) -> list[SweepResult]:
    with redis.pipeline(transaction=False) as pipe:
        for lane in lanes:
            lane.enqueue_sweep(pipe)
        results = list(map(_read_sweep, Scripts.execute(pipe)))
        paused = [number for number, swept in enumerate(results) if swept.paused]
        for number in paused:
            lanes[number].enqueue_unpause(pipe)
        resumed = [number for number, ended in zip(paused, Scripts.execute(pipe), strict=True) if ended]
        for number in resumed:
            lanes[number].enqueue_sweep(pipe)
        for number, response in zip(resumed, Scripts.execute(pipe), strict=True):
            results[number] = _read_sweep(response)
    return results


def _read_sweep(response: Sequence[int]) -> SweepResult:
    freed, buried, due, drains, closed, paused, waited, doubts, bulk, oldest = response
    return SweepResult(
        freed, buried, due, drains, closed / 1000, bool(paused), waited / 1000, doubts, bulk, oldest / 1000
    )


class Lane:
    """The lane of one target."""

    def __init__(  # noqa: PLR0913  # the clocks of one lane, each named at the call
        self,
        redis: Redis,
        target: str,
        scope: Scope,
        *,
        lease: float,
        heartbeat: float,
        max_tries: int,
        concurrency: int,
        per_call: int = 1,
        quarantine: float = 0.0,
    ) -> None:
        self.target, self.scope = target, scope
        self.redis = redis
        self.scripts = Scripts(redis)
        self.keys = keys.LaneKeys.of(target)
        self._pause = Pause(redis, self.keys.lane)
        self.excuses = Excuses(self.scripts, self.keys.drains)
        self.lease_ms, self.heartbeat = int(lease * 1000), heartbeat
        self.max_tries, self.concurrency, self.per_call = max_tries, concurrency, per_call
        #: How long the calls of the drains of this process take.
        self.pace = Pace()
        #: How long a new ledger sends nothing here: orders that the previous ledger sent may still be under way.
        self.quarantine_ms = round(quarantine * 1000)

    @property
    def drains(self) -> int:
        """The most drains at a time. One of them can make all the calls, and two use two processors."""
        return min(self.concurrency, max(2, self.concurrency // _CALLS_OF_A_DRAIN))

    @property
    def spare(self) -> int:
        """The number of drains that bulk work may have: one remains for fresh orders."""
        return max(1, self.drains - 1)

    def count_bulk(self) -> int:
        """Return the number of bulk orders that wait."""
        return int(self.redis.zcount(self.keys.due, keys.BULK_OFFSET, "+inf"))

    def drain(self) -> Drain:
        """Return a run that takes orders from this lane, as a context manager."""
        return Drain(self)

    def wait(self, until: float, ended: Callable[[], bool] = stopping) -> bool:
        """Wait for an order until the time `until` (`time.monotonic`), or `ended`; return whether there is one.

        Only one drain waits for a lane at a time. Accepting an order wakes it, which is quicker than a Celery message.
        """
        if not self.scripts(catalog.MARK, mark=self.keys.waiting, value="1", lifetime_ms=WAITING_MS):
            return False
        try:
            while (left := until - time.monotonic()) > 0 and not ended():
                if self.redis.blpop([self.keys.wake], timeout=min(left, 1.0)):
                    return True
                self.redis.pexpire(self.keys.waiting, WAITING_MS)
        finally:
            self.redis.delete(self.keys.waiting)
        # A process that accepted an order a moment ago relied on this drain.
        return self.redis.lpop(self.keys.wake) is not None

    def sweep(self) -> SweepResult:
        """Free the orders of dead drains; end a pause whose time is over."""
        (swept,) = sweep_lanes(self.redis, [self])
        return swept

    def enqueue_sweep(self, pipe: Pipeline) -> None:
        """Add to a pipeline the script that frees the orders of dead drains."""
        k = self.keys
        self.scripts.enqueue(
            pipe,
            catalog.SWEEP,
            self.scope.windows,
            lane=k.lane,
            due=k.due,
            drains=k.drains,
            dead=k.dead,
            scope=keys.limit(self.scope.name),
            waiting=k.waiting,
            wake=k.wake,
            doubt=k.doubt,
            searches=k.searches,
            epoch=keys.EPOCH,
            era=keys.ERA,
            oldest=k.oldest,
            look=LOOK,
            quarantine_ms=self.quarantine_ms,
            lease_ms=self.lease_ms,
            record_prefix=k.order,
            history_prefix=k.history,
            claims_prefix=k.claims,
            poison=POISON,
            ask_every_ms=ASK_EVERY,
        )

    def enqueue_unpause(self, pipe: Pipeline) -> None:
        """Add to a pipeline the script that ends a pause whose time is over."""
        self.scripts.enqueue(pipe, catalog.UNPAUSE, hash=self.keys.lane)

    def excuse_process(self, host: str, pid: str) -> None:
        """Excuse the drains of a process that is about to be killed for a reason that is not their orders."""
        for name in cast("list[str]", self.redis.zrange(self.keys.drains, 0, -1)):
            if name.startswith(f"{host}-{pid}-"):
                self.excuses.add(name, (), None)

    def mark_doubts_asked(self) -> None:
        """Note that the target is asked for its orders in doubt now: the next time is `ASK_EVERY` later."""
        self.scripts(catalog.NOTE, ["asked", clock.now(self.redis)], hash=self.keys.lane, counter="", forgotten="")

    def pause(self, reason: str, seconds: float | None = None, *, seen: str | None = None) -> bool:
        """Send nothing for `seconds`, or until resumed; return False if the pause is another one than `seen`."""
        return self._pause.begin(reason, seconds, seen)

    def resume(self, *, seen: str | None = None) -> bool:
        """Send again; return False if the pause is another one than `seen`."""
        return self._pause.end(seen)

    def held_keys(self) -> list[str]:
        """Return the keys of the held orders, the longest held first."""
        return cast("list[str]", self.redis.zrange(self.keys.held, 0, -1))

    def release(self, order_keys: Sequence[str], action: Literal["send", "drop"]) -> int:
        """Send held orders, or drop what is held of them; return how many were held."""
        k = self.keys
        released = self.scripts(
            catalog.RELEASE, order_keys, lane=k.lane, due=k.due, held=k.held, dead=k.dead, action=action, **k.prefixes
        )
        return int(released)

    def status(self) -> dict[str, int | str]:
        """Return counts by state, the counters since the beginning, and the pause.

        `queued` counts all orders to be sent. Of these, `retry_later` wait for a later time, as after a failure, and
        `backfilled` wait behind all others. For `quarantine_s` seconds nothing is sent because the ledger is new.
        """
        k = self.keys
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(k.lane)
            pipe.zcard(k.due)
            pipe.zcard(k.dead)
            pipe.zcard(k.doubt)
            pipe.zcard(k.held)
            pipe.zrange(k.drains, 0, -1)
            pipe.get(keys.EPOCH)
            self.scripts.enqueue(pipe, catalog.NOW)
            pipe.zcount(k.due, keys.BULK_OFFSET, "+inf")
            fields, due, dead, doubt, held, drains, epoch, (seconds, micros), backfilled = pipe.execute()
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.zcount(k.due, f"({seconds * 1000 + micros // 1000}", f"({keys.BULK_OFFSET}")
            for drain in drains:
                pipe.scard(k.claims + drain)
            retry_later, *claimed = pipe.execute()
        status: dict[str, int | str] = {
            name: value if name in keys.LANE_TEXTS else int(value) for name, value in fields.items()
        }
        status |= {"queued": due, "retry_later": retry_later, "backfilled": backfilled}
        status |= {"in_flight": sum(claimed), "drains": len(drains)}
        status |= {"dead_now": dead, "in_doubt_now": doubt, "held_now": held}
        left = int(epoch) + self.quarantine_ms - seconds * 1000 - micros // 1000 if epoch and self.quarantine_ms else 0
        status["quarantine_s"] = max(0, math.ceil(left / 1000))
        return status
