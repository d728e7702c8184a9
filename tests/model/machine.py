"""The state machine: orders from the inbox to delivery, step by step, with any fault at each step."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import tasks.backfill
import tasks.deliver
import tasks.fetch
import tasks.listen
import tasks.poll
import tasks.sweep
from model import checks, faults
from model.depot import Traits
from model.faults import Died
from model.ground import LEASE, LONG, SHORT, Ground
from support.redis_text import text
from support.renaming import change_template, rename
from tasks.attempt import attempt
from tasks.decisions import decide_again
from worker.errors import LeaseLost
from worker.store.feeds.work import read_work
from worker.store.orders.drains import Claim, Drain, Outcome
from worker.store.redis import keys

if TYPE_CHECKING:
    from redis import Redis

    from worker.store.orders.delivery import OnChange


def rarely(names: tuple[str, ...]) -> st.SearchStrategy[str]:
    """Return a strategy that draws one of the faults, but more often none."""
    return st.just("") | st.just("") | st.sampled_from(names)


IDS = st.sampled_from(["a", "b", "c"])
CONTENTS = (
    st.sampled_from(["fine", "finer", "finest"])
    | st.sampled_from(["fine", "refused", "unmapped", "bad"])
    | st.sampled_from(["cancelled", "test"])
)
TRAITS = st.builds(
    Traits,
    updates=st.booleans(),
    dedupes=st.booleans(),
    cancels=st.booleans(),
    settles=st.just(value=True),
    bulk=st.sampled_from([1, 3]),
) | st.builds(
    Traits,
    updates=st.booleans(),
    settles=st.just(value=False),
    steps=st.booleans(),
)
#: The period in which all orders of the model were placed.
RANGE = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
ON_CHANGE = st.sampled_from(["update", "hold", "ignore"])


@dataclass
class Slow:
    """A drain that pauses between claiming, sending and settling."""

    drain: Drain
    claims: list[Claim]
    clock: float
    losses: int
    outcomes: list[Outcome] = field(default_factory=list)

    def is_alive(self, ground: Ground) -> bool:
        """Return whether the lease holds; the heartbeat notices a loss of Redis at once."""
        return ground.losses == self.losses and ground.clock - self.clock <= LEASE


class Machine(RuleBasedStateMachine):
    """All steps from ingest to delivery; `steps` lists those of the example, `last` is the machine that ran last."""

    last: Machine

    def __init__(self, redis: Redis, raw: Redis) -> None:
        super().__init__()
        self.redis, self.raw = redis, raw
        self.steps: list[str] = []
        self.slow: list[Slow] = []
        #: False from the beginning of a step until the checks after it have passed.
        self.sound = True
        self.states: set[str] = set()
        #: The state after the last step: waiting jobs and hints, whether something is paused, whether Redis is empty.
        self.jobs, self.hints, self.paused, self.blank = 0, 0, False, True
        self.archived = self.behind = False
        type(self).last = self

    def _step(self, text: str) -> None:
        self.steps.append(text)
        self.sound = False

    @initialize(traits=TRAITS, on_change=ON_CHANGE, orders=st.lists(CONTENTS, max_size=3), old=st.booleans())
    def start(self, traits: Traits, on_change: OnChange, orders: list[str], *, old: bool = False) -> None:
        """Start with a ledger that may have had a predecessor, or with an `old` one that is older than all orders."""
        self._step(f"start {traits} {on_change} {orders} {old}")
        self.ground = Ground(self.redis, self.raw, traits, on_change)
        if old:
            self.redis.set(keys.EPOCH, 1)
        for external_id, content in zip("abc", orders, strict=False):
            self._write(external_id, content)

    def _nudge(self, task: str, name: str, count: int = 1) -> None:
        """Ignore the nudge: messages are only nudges, and all of them are lost here."""

    @rule()
    def work(self) -> None:
        """Let everything run without faults."""
        self._step("work")
        self._round()

    def _round(self) -> None:
        tasks.sweep.sweep(self.ground, self._nudge)
        self._take()
        tasks.fetch.fetch(self.ground, "shop", self._nudge)
        tasks.poll.poll(self.ground, "shop", self._nudge)
        if "backfill" in read_work(self.ground.redis, {"shop": 3600.0})["shop"]:
            tasks.backfill.backfill(self.ground, "shop", self._nudge)
        tasks.deliver.deliver(self.ground, "t", self._nudge)

    # The source

    @rule(external_id=IDS, content=CONTENTS)
    def write(self, external_id: str, content: str) -> None:
        self._step(f"write {external_id} {content}")
        self._write(external_id, content)

    def _write(self, external_id: str, content: str) -> None:
        if content == "bad" and self.ground.forgot and self.ground.depot.made.get(external_id):
            content = "fine"  # see `Ground._begin_anew`
        self.ground.source.write(external_id, content)
        self.ground.source.touch(external_id)

    @precondition(lambda self: not self.paused)
    @rule(fault=rarely(faults.FETCHES), accepts=rarely(faults.ACCEPTS))
    def poll(self, fault: str, accepts: str) -> None:
        self._step(f"poll {fault}/{accepts}")
        self.ground.source.fault, self.ground.ledger.fault = fault, accepts
        before = self.ground.losses
        try:
            tasks.poll.poll(self.ground, "shop", self._nudge)
        except Died:
            if self.ground.losses == before:
                self.ground.kill_poll()
        self._clear_faults()

    @precondition(lambda self: not self.paused)
    @rule(fault=rarely(faults.FETCHES), accepts=rarely(faults.ACCEPTS), begin=st.booleans())
    def backfill(self, fault: str, accepts: str, begin: Any) -> None:
        """Read everything again, or continue reading it."""
        self._step(f"backfill {fault}/{accepts} {begin}")
        if begin:
            self.ground.backfills.begin("shop", *RANGE)
        self.ground.source.fault, self.ground.ledger.fault = fault, accepts
        before = self.ground.losses
        try:
            tasks.backfill.backfill(self.ground, "shop", self._nudge)
        except Died:
            if self.ground.losses == before:
                self.ground.kill_backfill()
        self._clear_faults()

    # Pushes

    @precondition(lambda self: self.ground.source.orders)
    @rule(data=st.data(), kind=st.sampled_from(["record", "order", "external_id"]))
    def push(self, data: st.DataObject, kind: str) -> None:
        """Push an order, in its current or a former version."""
        external_id = data.draw(st.sampled_from(sorted(self.ground.source.orders)))
        raw = data.draw(st.sampled_from(self.ground.source.orders[external_id]))
        self._step(f"push {kind} {raw}")
        self.push_job(kind, external_id, raw)

    @rule(external_id=st.sampled_from(["x", "y"]), content=CONTENTS)
    def push_only(self, external_id: str, content: str) -> None:
        """Push an order that the feed does not show; after a loss, a different one."""
        external_id += str(self.ground.forgot)
        self._step(f"push only {external_id} {content}")
        self.ground.pushed.add(external_id)
        self.push_job("record", external_id, self.ground.source.write(external_id, content))

    def push_job(self, kind: str, external_id: str, raw: dict[str, Any]) -> None:
        order = {k: v for k, v in raw.items() if k != "id"} | {"external_id": external_id}
        order = {"status": "new"} | order | {"ordered_at": "2026-01-02T03:04:05Z", "totals": {"grand": "19.80"}}
        order |= {"lines": [{"name": "Mug", "quantity": 2, "unit_price": "9.90"}]}
        content = {"record": raw, "order": order, "external_id": external_id}[kind]
        self.ground.inbox.push([json.dumps({"v": 1, "provider": "shop", kind: content})])

    @precondition(lambda self: self.jobs)
    @rule(accepts=rarely(faults.ACCEPTS))
    def take(self, accepts: str) -> None:
        self._step(f"take {accepts}")
        self.ground.ledger.fault = accepts
        with suppress(Died, LeaseLost):
            self._take()
        self._clear_faults()

    def _take(self) -> None:
        with self.ground.inbox.taker() as taker:
            while tasks.listen.take(self.ground, taker, self._nudge):
                pass

    @precondition(lambda self: self.hints)
    @rule(fault=rarely(faults.FETCHES), accepts=rarely(faults.ACCEPTS))
    def fetch(self, fault: str, accepts: str) -> None:
        self._step(f"fetch {fault}/{accepts}")
        self.ground.source.fault, self.ground.ledger.fault = fault, accepts
        with suppress(Died):
            tasks.fetch.fetch(self.ground, "shop", self._nudge)
        self._clear_faults()

    # The target

    @precondition(lambda self: "queued" in self.states)
    @rule(writes=st.lists(rarely(faults.WRITES), max_size=3), read=rarely(faults.READS))
    def deliver(self, writes: list[str], read: str) -> None:
        self._step(f"deliver {writes}/{read}")
        self.ground.depot.writes, self.ground.depot.read = list(writes), read
        with suppress(Died):
            tasks.deliver.deliver(self.ground, "t", self._nudge)
        self._clear_faults()

    def _clear_faults(self) -> None:
        self.ground.depot.clear_faults()
        self.ground.source.fault = self.ground.ledger.fault = ""

    # A drain that pauses between its steps, so that anything may happen meanwhile

    @precondition(lambda self: "queued" in self.states)
    @rule(most=st.integers(1, 3))
    def claim(self, most: int) -> None:
        self._step(f"claim {most}")
        drain = self.ground.lane.drain()
        if claims := drain.claim(most):
            self.slow.append(Slow(drain, claims, self.ground.clock, self.ground.losses))

    @precondition(lambda self: self.slow)
    @rule(data=st.data(), write=rarely(faults.WRITES))
    def send(self, data: st.DataObject, write: str) -> None:
        slow = data.draw(st.sampled_from(self.slow))
        self._step(f"send {write}")
        if len(slow.outcomes) == len(slow.claims) or not slow.is_alive(self.ground):
            return
        self.ground.depot.writes = [write]
        try:
            # As `tasks.deliver` does for claims that have waited.
            (claim,) = slow.drain.note_left_out([slow.claims[len(slow.outcomes)]])
            (claim,) = decide_again(self.ground, "t", [claim])
            slow.outcomes.append(
                attempt(self.ground.depot, claim, refresh=lambda sent: slow.drain.note_left_out([sent])[0])
            )
        except Died:
            self.slow.remove(slow)
        self._clear_faults()

    @precondition(lambda self: self.slow)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        """Settle the claims of a slow drain: refused if its lease has ended."""
        slow = data.draw(st.sampled_from(self.slow))
        self._step("settle")
        self.slow.remove(slow)
        unsent = [Outcome("release")] * (len(slow.claims) - len(slow.outcomes))
        states = slow.drain.settle(zip(slow.claims, [*slow.outcomes, *unsent], strict=True))
        if slow.is_alive(self.ground):
            assert "refused" not in states, "a live drain was refused"
            slow.drain.leave()
        else:
            assert set(states) == {"refused"}, f"a late owner wrote {states}"

    # Operators and time

    @precondition(lambda self: not self.paused)
    @rule(name=st.sampled_from(["shop", "t"]))
    def pause(self, name: str) -> None:
        self._step(f"pause {name}")
        if name == "shop":
            self.ground.cursors.pause("shop", "by hand")
        else:
            self.ground.lane.pause("by hand")

    @precondition(lambda self: self.paused)
    @rule()
    def resume(self) -> None:
        self._step("resume")
        self._resume()

    def _resume(self) -> None:
        self.ground.cursors.resume("shop")
        self.ground.lane.resume()

    @precondition(lambda self: "held" in self.states)
    @rule(do=st.sampled_from(["send", "drop"]))
    def release(self, do: Any) -> None:
        self._step(f"release {do}")
        held = self.ground.lane.held_keys()
        self.ground.lane.release(held, do)
        if do == "drop":
            self.ground.dropped |= {key.removeprefix("shop:") for key in held}

    @precondition(lambda self: "dead" in self.states)
    @rule()
    def replay(self) -> None:
        self._step("replay")
        dead = self.redis.zrange(self.ground.lane.keys.dead, 0, -1)
        self.ground.stuck["t"].move("replay", [text(key) for key in dead])

    @rule()
    def refilter(self) -> None:
        self._step("refilter")
        self.ground.refilter()

    @rule(seconds=st.sampled_from([SHORT, LONG]))
    def wait(self, seconds: float) -> None:
        self._step(f"wait {seconds}")
        self.ground.pass_time(seconds)

    @precondition(lambda self: "delivered" in self.states or self.archived)
    @rule()
    def pass_a_month(self) -> None:
        self._step("a month")
        self.ground.forget_histories()
        self.ground.pass_time(LONG)

    @rule()
    def sweep(self) -> None:
        self._step("sweep")
        tasks.sweep.sweep(self.ground, self._nudge)
        checks.check_claims(self.ground)

    @precondition(lambda self: not self.blank)
    @rule()
    def lose_redis(self) -> None:
        self._step("lose redis")
        self.ground.lose_redis()

    @rule(change=st.sampled_from([rename, change_template]), seed=st.integers(0, 3))
    def change_settings(self, change: Any, seed: int) -> None:
        self._step(f"{change.__name__} {seed}")
        self.ground.change_settings(change, seed)

    @precondition(lambda self: not self.behind)
    @rule()
    def fall_behind(self) -> None:
        self._step("the replica falls behind")
        self.ground.fall_behind()

    @precondition(lambda self: self.behind)
    @rule()
    def fail_over(self) -> None:
        """Let the late replica take over, while no slow drain is between its steps."""
        self._step("the late replica takes over")
        self.slow.clear()
        self.ground.fail_over()

    @rule(leases=st.sampled_from([-2.0, -0.5, 0.5, 2.0]))
    def step_clock(self, leases: float) -> None:
        self._step(f"the clock of Redis steps by {leases} leases")
        self.ground.step_clock(leases * LEASE)

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "ground"):
            self._check()
        self.sound = True

    def _check(self) -> None:
        ground = self.ground
        self.states = checks.check_step(ground)
        self.jobs, self.hints = ground.inbox.status()["waiting"], ground.fetches.count_waiting("shop")
        self.paused = "paused" in ground.cursors.status("shop") or "paused" in ground.lane.status()
        self.blank = not self.redis.dbsize()
        self.behind = ground.is_behind
        self.archived = bool(self.redis.keys("intake:archive:*"))

    def teardown(self) -> None:
        if not self.sound or not self.steps:
            return
        self._finish()
        checks.check_finished(self.ground)
        self.ground.lose_redis()
        self._finish()
        checks.check_restored(self.ground)

    def _finish(self) -> None:
        """Let everything run without faults until nothing is left to do."""
        ground, rounds = self.ground, 0
        self._resume()
        # A hint of an order that is not there is asked for so often before it is given up.
        most = tasks.fetch.GIVE_UP + 2
        while rounds < 2 or (rounds < most and not checks.is_idle(ground)):
            ground.pass_time(LONG)
            ground.lane.release(ground.lane.held_keys(), "send")
            self._round()
            checks.check_step(ground)
            rounds += 1
