"""Lanes: the queue of one target, and the drains that take orders from it."""

from __future__ import annotations

import math
import os
import secrets
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from worker.errors import LeaseLost
from worker.process.stopping import stopping
from worker.store.health.pauses import Pause
from worker.store.orders import payload
from worker.store.redis import clock, keys
from worker.store.redis.heartbeat import Heartbeat, uptime
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType
    from typing import Self

    from redis import Redis

    from worker.store.limits.limiter import Scope
    from worker.store.redis.scripts import Argument

#: Failures in a row that open a lane's breaker: from then on the lane waits, and no order pays a try for it.
BREAKER = 5
#: Times an order may lose its drain before it is buried as poison.
POISON = 5
#: Milliseconds an order's story is kept after its delivery: 30 days.
KEEP_HISTORY_MS = 30 * 86_400_000
#: Milliseconds from one asking after orders in doubt to the next: 10 minutes.
ASK_EVERY = 600_000
#: Milliseconds after which somebody that waits for orders, and says so no more, is thought dead.
_WAITING_MS = 3000


@dataclass(frozen=True, slots=True)
class Claim:
    """An order that is ours to deliver until it is settled, or the lease ends."""

    key: str
    reference: str
    fingerprint: str
    tries: int
    payload: str
    #: Why to ask before creating: the ledger is new ("ask"), an earlier create may have gone through ("1"), or it may
    #: have, but a person has looked and not found it ("looked").
    uncertain: Literal["", "ask", "looked", "1"] = ""
    #: Where to go on: the target has taken the order in, and told this.
    step: str = ""
    #: The order is there, under the target's own id: what is to be sent is a change.
    is_update: bool = False
    target_id: str = ""
    #: Bulk work: it takes only what others leave of the limits.
    bulk: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a claim.

    `delay` is in seconds; `code` and `detail` hold no personal data; `extra` is the target's id of a delivered order,
    the step of a pending one, or the target's field errors (JSON) of a rejected one. A "retry_uncounted" is no failure
    of the lane: the target answered, or another order of the same call was counted.
    """

    kind: Literal[
        "delivered",
        "existed",
        "updated",
        "pending",
        "retry",
        "retry_uncounted",
        "snooze",
        "release",
        "hold",
        "bury",
        "doubt",
    ]
    code: str = ""
    detail: str = ""
    delay: float = 0.0
    uncertain: bool = False
    extra: str = ""


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What a sweep found: orders freed and buried, and what the lane has to do."""

    freed: int
    buried: int
    due: int
    drains: int
    closed: float
    paused: bool
    #: Seconds since the last sign of life of the longest dead drain.
    waited: float
    #: Orders in doubt that the target is to be asked for.
    doubts: int
    #: Orders of bulk work that are due; `due` counts the others.
    bulk: int


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
        quiet: float = 0.0,
    ) -> None:
        self.target, self.scope = target, scope
        self.redis = redis
        self.scripts = Scripts(redis)
        self.keys = keys.LaneKeys.of(target)
        self._pause = Pause(redis, self.keys.lane)
        self.lease_ms, self.heartbeat = int(lease * 1000), heartbeat
        self.max_tries, self.concurrency, self.per_call = max_tries, concurrency, per_call
        #: So long a new ledger sends nothing here: what the one before it sent may still be on its way.
        self.quiet_ms = round(quiet * 1000)

    @property
    def spare(self) -> int:
        """Drains that bulk work may have: one is left for fresh orders."""
        return max(1, self.concurrency - 1)

    def count_bulk(self) -> int:
        """How many orders of bulk work wait."""
        return int(self.redis.zcount(self.keys.due, keys.BULK_OFFSET, "+inf"))

    def drain(self) -> Drain:
        """A run that takes orders from this lane; a context manager."""
        return Drain(self)

    def wait(self, until: float) -> bool:
        """Wait for an order until then (`time.monotonic`); whether there is one. Only one waits for a lane at a time.

        Whoever accepts an order wakes the one that waits, which is quicker than a Celery message.
        """
        if not self.redis.set(self.keys.waiting, 1, nx=True, px=_WAITING_MS):
            return False
        try:
            while (left := until - time.monotonic()) > 0 and not stopping():
                if self.redis.blpop([self.keys.wake], timeout=min(left, 1.0)):
                    return True
                self.redis.pexpire(self.keys.waiting, _WAITING_MS)
        finally:
            self.redis.delete(self.keys.waiting)
        # Who accepted an order a moment ago counted on us.
        return self.redis.lpop(self.keys.wake) is not None

    def sweep(self) -> SweepResult:
        """Free what dead drains held; end a pause whose time is over."""
        self._pause.end_if_over()
        k = self.keys
        names = [k.lane, k.due, k.drains, k.dead, keys.limit(self.scope.name), k.waiting, k.wake, k.doubt]
        found = self.scripts("sweep", names, [self.lease_ms, k.order, k.history, k.claims, POISON, ASK_EVERY])
        freed, buried, due, drains, closed, paused, waited, doubts, bulk = found
        return SweepResult(freed, buried, due, drains, closed / 1000, bool(paused), waited / 1000, doubts, bulk)

    def mark_doubts_asked(self) -> None:
        """Note that orders in doubt are asked for now: the next time is `ASK_EVERY` later."""
        self.scripts("note", [self.keys.lane], ["", "", "asked", clock.now(self.redis)])

    def pause(self, reason: str, seconds: float | None = None) -> None:
        """Send nothing, for so many seconds or until resumed."""
        self._pause.begin(reason, seconds)

    def resume(self) -> None:
        """Send again."""
        self._pause.end()

    def held_keys(self) -> list[str]:
        """The keys of orders that are held, the longest held first."""
        return cast("list[str]", self.redis.zrange(self.keys.held, 0, -1))

    def release(self, order_keys: Sequence[str], do: Literal["send", "drop"]) -> int:
        """Send held orders, or drop what is held of them; answers how many were held."""
        k = self.keys
        args: list[Argument] = [k.order, k.payload, k.history, KEEP_HISTORY_MS, do, *order_keys]
        return int(self.scripts("release", [k.due, k.held, k.dead], args))

    def position(self, order_key: str) -> int:
        """How many orders are due before this one."""
        return cast("int | None", self.redis.zrank(self.keys.due, order_key)) or 0

    def status(self) -> dict[str, int | str]:
        """Counts by state, the counters since the beginning, why it is paused.

        `queued` are all that are to be sent: `retry_later` those of them whose time comes later, as after a failure,
        `backfilled` those that wait behind all others. For `young_s` seconds nothing is sent yet: the ledger is new.
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
            pipe.time()
            pipe.zcount(k.due, keys.BULK_OFFSET, "+inf")
            known, due, dead, doubt, held, drains, epoch, (seconds, micros), backfilled = pipe.execute()
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.zcount(k.due, f"({seconds * 1000 + micros // 1000}", f"({keys.BULK_OFFSET}")
            for drain in drains:
                pipe.scard(k.claims + drain)
            retry_later, *claimed = pipe.execute()
        status: dict[str, int | str] = {
            name: value if name == "paused" else int(value) for name, value in known.items()
        }
        status |= {"queued": due, "retry_later": retry_later, "backfilled": backfilled}
        status |= {"in_flight": sum(claimed), "drains": len(drains)}
        status |= {"dead_now": dead, "in_doubt_now": doubt, "held_now": held}
        young = int(epoch) + self.quiet_ms - seconds * 1000 - micros // 1000 if epoch and self.quiet_ms else 0
        status["young_s"] = max(0, math.ceil(young / 1000))
        return status


class Drain:
    """One run of `tasks.deliver`: claims orders, settles them, and lives by its heartbeat."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._claims = lane.keys.claims + self.name
        self._heartbeat = Heartbeat(self._renew, lane.heartbeat, lane.lease_ms / 1000)
        #: Seconds that the lane waits, if this drain is the first to learn that the ledger is too new to send.
        self.young = 0.0

    def _renew(self) -> bool:
        lane = self._lane
        return bool(lane.scripts("beat", [lane.keys.drains], [self.name, lane.lease_ms]))

    def check(self) -> None:
        """Raise LeaseLost unless the lease is certainly ours: the guard before every write to a target."""
        self._heartbeat.check()

    def claim(self, most: int) -> list[Claim]:
        """Take up to `most` orders that are due; all of them must be settled before the next claim.

        An empty list: there is nothing to do for now, this drain is struck off and must end.
        """
        self.check()
        lane, k = self._lane, self._lane.keys
        names = [k.lane, k.due, k.drains, self._claims, keys.limit(lane.scope.name), keys.EPOCH]
        interval = lane.scope.interval
        args: list[Argument] = [
            self.name,
            most,
            lane.lease_ms,
            interval,
            k.order,
            k.payload,
            k.history,
            k.claims,
            BREAKER,
        ]
        args += [lane.concurrency, lane.per_call, lane.quiet_ms]
        asked = uptime()
        # What a failover forgets of a claim, another would send once more.
        reason, *orders = lane.scripts.run_replicated("claim", names, args)
        if reason == "lost":
            raise LeaseLost(f"the drain {self.name} was taken over")
        if reason == "young":
            self.young = orders[0] / 1000
        if reason != "orders":
            return []
        self._heartbeat.confirm(asked, ours=True)
        return [
            Claim(
                key,
                reference,
                fingerprint,
                tries,
                payload.unpack(kept),
                uncertain,
                step,
                bool(is_update),
                target_id,
                bool(bulk),
            )
            for key, reference, fingerprint, tries, uncertain, step, target_id, is_update, kept, bulk in orders
        ]

    def leave(self) -> None:
        """End although there may be work: nothing may be claimed any more."""
        self._lane.redis.zrem(self._lane.keys.drains, self.name)

    def settle(self, settled: Iterable[tuple[Claim, Outcome]]) -> list[str]:
        """Write down what became of claims; answers the state of each order now, or "refused"."""
        lane, k = self._lane, self._lane.keys
        names = [k.lane, k.due, k.drains, self._claims, k.dead, k.doubt, k.held]
        args: list[Argument] = [
            self.name,
            lane.lease_ms,
            k.order,
            k.payload,
            k.history,
            lane.max_tries,
            BREAKER,
            KEEP_HISTORY_MS,
        ]
        for claim, outcome in settled:
            args += [claim.key, outcome.kind, outcome.code, outcome.detail, round(outcome.delay * 1000)]
            args += [int(outcome.uncertain), outcome.extra, claim.fingerprint]
        states: list[str] = lane.scripts("settle", names, args)
        return states

    def __enter__(self) -> Self:
        self._heartbeat.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._heartbeat.__exit__(kind, error, trace)
