"""The runtime of the model on a real Redis, which can be emptied, can forget, and whose time can be advanced."""

from __future__ import annotations

import random
from functools import cache
from typing import TYPE_CHECKING, Any

from model.depot import Depot, Traits
from model.faults import Died
from model.source import Source
from support.fake_runtime import FakeRuntime
from support.forgetting import Rewind
from support.redis_text import key_names, text
from tasks.accept import accept
from worker.settings.installation import Installation
from worker.settings.routes import Route
from worker.store.inbox import Inbox
from worker.store.orders.ledger import Ledger
from worker.store.redis import keys
from worker.store.redis.lua_source import lua_source

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis import Redis

    from schemas.order import Order
    from worker.settings.load import Settings
    from worker.store.orders.delivery import Delivery, OnChange

#: Seconds, far longer than an example runs, so that no lease ends on a slow machine.
LEASE = 100_000.0
#: Seconds that end every lease and wait, and so few that all of an example together end no lease.
LONG, SHORT = 200_000.0, 1000.0

#: The key with the microseconds by which the clock of Redis is ahead of what it was; it goes with Redis.
AHEAD = "clock:ahead"
_TIME = "redis.call('TIME')"
_STEPPED = (
    "(function() local t = redis.call('TIME'); "
    f"local us = t[1] * 1000000 + t[2] + (redis.call('GET', '{AHEAD}') or 0); "
    "return {math.floor(us / 1000000), us % 1000000} end)()"
)


@cache
def stepped_source(name: str) -> str:
    """Return the text of a script on a clock that can step."""
    return lua_source(name).replace(_TIME, _STEPPED)


# Instead of waiting, move all times in Redis into the past; scripts see no difference.
_AGE = """
local due, drains, takers, deferred, fetches, lane, cursor, poll, backfill, backfilling = unpack(KEYS)
local ms = tonumber(ARGV[1])
local function older(hash, field, by)
  local value = redis.call('HGET', hash, field)
  if value then redis.call('HSET', hash, field, string.format('%.0f', value - by)) end
end
for _, set in ipairs({due, drains, takers, deferred, fetches}) do
  for _, member in ipairs(redis.call('ZRANGE', set, 0, -1)) do redis.call('ZINCRBY', set, -ms, member) end
end
older(lane, 'closed_until', ms)
older(cursor, 'retry_at', ms)
older(cursor, 'started', ms)
older(cursor, 'finished', ms)
older(backfill, 'retry_at', ms)
for _, lease in ipairs({poll, backfilling}) do
  local left = redis.call('PTTL', lease)
  if left > ms then redis.call('PEXPIRE', lease, left - ms) elseif left > 0 then redis.call('DEL', lease) end
end
"""


class _Mortal(Ledger):
    """A ledger whose caller can die, or whose Redis can be lost, before or after a write."""

    ground: Ground
    fault = ""

    def accept(self, *args: Any, **options: Any) -> Any:
        fault, self.fault = self.fault, ""
        if fault == "killed before":
            raise Died
        if fault == "redis lost before":
            self.ground.lose_redis()
        if fault == "forgotten":
            self.ground.fall_behind()
        accepted = super().accept(*args, **options)
        self.ground.note_decisions(args[1])
        if fault == "forgotten":
            self.ground.fail_over()
        if fault == "redis lost after":
            self.ground.lose_redis()
        if fault == "killed after":
            raise Died
        return accepted


class Ground(FakeRuntime[Source, Depot]):
    """One provider, one route, one target, and control over Redis and its clock."""

    ledger: _Mortal

    def __init__(self, redis: Redis, raw: Redis, traits: Traits, on_change: OnChange) -> None:
        redis.flushall()
        self.source = Source(self._mishap)
        self.depot = Depot(traits, self.lose_redis)
        #: The newest version of each order that the ledger accepted, and whether a route wanted it.
        self.decided: dict[str, tuple[int, bool]] = {}
        self.refilters = 0
        route = Route(source="shop", targets=("t",), on_change=on_change)
        super().__init__(redis, self.source, self.depot, lease=LEASE, routes=(route,))
        self.depot.objection, self.depot.cancel_meanwhile = self._object, self._cancel_meanwhile
        self.ledger = _Mortal(redis, lease=LEASE)
        self.ledger.ground = self
        self.inbox = Inbox(raw, lease=LEASE, heartbeat=LEASE / 4)
        self.lane = self.lanes["t"]
        #: Seconds that have passed, and how often Redis was lost.
        self.clock, self.losses = 0.0, 0
        #: Orders that were only pushed, and cannot be read from the provider.
        self.pushed: set[str] = set()
        #: Orders with a change that an operator dropped.
        self.dropped: set[str] = set()
        self._age = redis.register_script(_AGE)
        #: The settings as the file has them, and how often Redis was lost or forgot its last writes.
        self.declared, self.forgot = self.settings, 0
        self._rewind = Rewind(redis)
        #: What the model knew when the replica of Redis fell behind.
        self._replica: tuple[dict[str, tuple[int, bool]], dict[str, int]] | None = None

    def _mishap(self, fault: str) -> None:
        if fault == "redis lost":
            self.lose_redis()
        elif self.source.orders:
            external_id = min(self.source.orders)
            self.source.write(external_id, "edited meanwhile")
            if external_id not in self.pushed:
                self.source.touch(external_id)

    def _cancel_meanwhile(self) -> None:
        """Cancel every order that can be read, and push the cancellations, which are accepted at once."""
        orders = []
        for external_id in self.source.orders:
            self.source.write(external_id, "cancelled")
            if external_id not in self.pushed:
                self.source.touch(external_id)
            orders.append(self.source.newest(external_id))
        accept(self, [order for order in orders if order], "push shop", self.nudge)

    def note_decisions(self, deliveries: Sequence[Delivery]) -> None:
        """Note what the ledger knows now of each order: the decision of its newest version."""
        for delivery in deliveries:
            version, external_id = delivery.order.version or 0, delivery.order.external_id
            if version >= self.decided.get(external_id, (0, True))[0]:
                self.decided[external_id] = version, delivery.wanted

    def _object(self, order: Order) -> str:
        """Return why this order must not be created now, as far as the ledger can know; "" if it may be."""
        version, wanted = self.decided.get(order.external_id, (0, True))
        if not wanted:
            return f"its version {version} is not wanted"
        return "" if self.settings.routes[0].accepts(order) else "its route leaves it out"

    def refilter(self) -> None:
        """Let test orders pass the route, or no more."""
        self.refilters += 1
        (route,) = self.declared.routes
        also_create = () if route.also_create else ("test",)
        routes = (route.model_copy(update={"also_create": also_create}),)
        self._open(self.declared.model_copy(update={"routes": routes}))

    def change_settings(self, change: Callable[[Settings, random.Random], tuple[Settings, str]], seed: int) -> None:
        """Let processes start with other names or references."""
        self._open(change(self.declared, random.Random(seed))[0])

    def _open(self, settings: Settings) -> None:
        """Start with these settings: by the names of the ledger, once the ledger knows them."""
        self.declared, self.installation = settings, Installation(self.redis, settings)
        self.installation.confirm()
        self.settings = self.installation.settings

    # Losses

    def fall_behind(self) -> None:
        """Let a replica of Redis get nothing from now on."""
        self._rewind.save()
        versions = {external_id: len(self.source.orders[external_id]) for external_id in self.pushed}
        self._replica = dict(self.decided), versions

    @property
    def is_behind(self) -> bool:
        """Whether a replica has fallen behind."""
        return self._replica is not None

    def fail_over(self) -> None:
        """Let the replica take over, at a time when everything that the target accepted is visible there."""
        assert self._replica is not None
        (self.decided, versions), self._replica = self._replica, None
        self.depot.appear()
        self._rewind.restore()
        # The next script finds that this server is not the one of the era.
        if self.redis.exists(keys.ERA):
            self.redis.hset(keys.ERA, "server", "f" * 40)
        for external_id in sorted(self.pushed):
            if versions.get(external_id) != len(self.source.orders[external_id]):
                self._forget_pushed(external_id)
        self._begin_anew()

    def _forget_pushed(self, external_id: str) -> None:
        """Expect nothing of an order whose newest version nobody has any more."""
        self.pushed.discard(external_id)
        del self.source.orders[external_id]
        self.depot.made.pop(external_id, None)

    def _begin_anew(self) -> None:
        """Follow a ledger that does not know what its predecessor sent."""
        self.forgot += 1
        self.depot.highest.clear()
        # A known limit: an order that becomes readable only after the first pass is not looked up.
        for external_id, raws in self.source.orders.items():
            if "bad" in raws[-1] and self.depot.made.get(external_id):
                self.source.write(external_id, "fixed")
                self.source.touch(external_id)
        if self.settings is not self.declared:
            self._open(self.declared)

    def step_clock(self, seconds: float) -> None:
        """Let the clock of Redis step, which no other clock notices.

        A step back costs the ledger up to 100 ms, so what is due now must have been due before.
        """
        self.pass_time(SHORT)
        self.redis.incrby(AHEAD, round(seconds * 1e6))

    def tombstone(self, external_id: str) -> int:
        """Return the newest version of an order that was left out, as the ledger remembers it; -1 if it does not."""
        names = key_names(self.redis, "intake:unwanted:t:*")
        found = [self.redis.hget(name, f"shop:{external_id}") for name in names]
        return max((int(text(value)) for value in found if value is not None), default=-1)

    def lose_redis(self) -> None:
        """Empty Redis, at a time when everything that the target accepted is visible there."""
        self.depot.appear()
        self.redis.flushall()
        self.losses += 1
        self._replica = None
        self.dropped.clear()
        self.decided.clear()
        for external_id in sorted(self.pushed):
            self._forget_pushed(external_id)
        self._begin_anew()

    def pass_time(self, seconds: float) -> None:
        self.clock += seconds
        if seconds >= LONG:
            self.depot.appear()
        lane = self.lane.keys
        inbox = "intake:inbox"
        sets = [lane.due, lane.drains, f"{inbox}:takers", f"{inbox}:deferred", "intake:fetch:shop"]
        names = [
            *sets,
            lane.lane,
            keys.cursor("shop"),
            keys.poll("shop"),
            keys.backfill("shop"),
            keys.backfilling("shop"),
        ]
        self._age(keys=names, args=[round(seconds * 1000)])

    def forget_histories(self) -> None:
        """Expire the histories of all delivered orders."""
        for name in self.redis.keys("intake:histories:t:*"):
            self.redis.delete(name)

    def kill_poll(self) -> None:
        """Leave a lease behind, as a killed poll does."""
        self.redis.set(keys.poll("shop"), "killed", px=round(LEASE * 1000))

    def kill_backfill(self) -> None:
        self.redis.set(keys.backfilling("shop"), "killed", px=round(LEASE * 1000))

    def record(self, external_id: str) -> dict[str, str]:
        entries = self.ledger.entries(["t"], f"shop:{external_id}")
        return entries[0].record if entries else {}
