"""Planted bugs that duplicate orders: the machine finds each one and reports it in a few steps.

In `make test`, written steps lead to a duplicate with each bug, and to none without it; in `make prove` the machine has
to find and shrink the steps.
"""

from __future__ import annotations

import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import Phase
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

import tasks.attempt
import tasks.deliver
import tasks.poll
import tasks.sweep
from model import checks
from model.depot import Traits
from model.faults import AFTER, Died
from model.ground import LONG, Ground
from model.machine import Machine
from model.running import numbered_steps, run
from worker.store.orders.drains import Outcome
from worker.store.redis import keys, scripts

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

#: The number of steps that a person reads at a glance.
SHORT = 10


class Planted(Machine):
    """A smaller machine that shows a duplicate at once, because shrinking runs hundreds of examples on a real Valkey.

    It leaves out most checks after each step, the run at the end (half of an example's time), operators, pushes,
    backfills, faults of reading, other orders, slow drains, changed settings, steps of clocks, and losses of Redis.
    Losses have their own machine (`Lossy`), because a loss ends most sequences that lead to other duplicates.
    """

    last: Machine
    work = push = push_only = take = fetch = backfill = None  # type: ignore[assignment]  # a name that is no rule leaves the rule out
    pause = resume = release = replay = refilter = None  # type: ignore[assignment]  # as above
    claim = send = settle = lose_redis = pass_a_month = None  # type: ignore[assignment]  # as above
    change_settings = fall_behind = fail_over = step_clock = None  # type: ignore[assignment]  # as above
    # `later` joins both: Hypothesis too seldom chooses two rules that make sense only in sequence.
    wait = sweep = None  # type: ignore[assignment]  # as above

    @initialize()
    def start(self) -> None:
        self._step("start with an order that was read, by a provider that was read before")
        self.ground = Ground(self.redis, self.raw, Traits(), "update")
        # An order that is older than the ledger is searched for in any case, which would hide what is planted.
        self.redis.set(keys.EPOCH, 1)
        self._poll()
        self._write("a", "fine")
        self._poll()

    def _poll(self) -> None:
        tasks.poll.poll(self.ground, "shop", self._nudge)

    @rule()
    def poll(self) -> None:
        self._step("poll")
        self._poll()

    @rule(content=st.sampled_from(["fine", "finer"]))
    def write(self, content: str) -> None:
        self._step(f"write {content}")
        self._write("a", content)

    @rule()
    def later(self) -> None:
        self._step("a while later")
        self.ground.pass_time(LONG)
        tasks.sweep.sweep(self.ground, self._nudge)

    @precondition(lambda self: "queued" in self.states)
    @rule(write=st.sampled_from(["", *AFTER]))
    def deliver(self, write: str) -> None:
        self._step(f"deliver {write}")
        self.ground.depot.writes = [write]
        with suppress(Died):
            tasks.deliver.deliver(self.ground, "t", self._nudge)
        self._clear_faults()

    def _check(self) -> None:
        checks.check_no_duplicates(self.ground)
        k = self.ground.lane.keys
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.zcard(k.due)
            pipe.dbsize()
            queued, size = pipe.execute()
        self.states = {"queued"} if queued else set()
        self.blank = not size

    def teardown(self) -> None:
        """Skip the final checks: a duplicate has been seen by now."""


class Lossy(Planted):
    """The same machine, with losses of Redis."""

    last: Machine
    lose_redis = Machine.lose_redis  # type: ignore[assignment]  # the rule that `Planted` leaves out


def in_lua(name: str, old: str, new: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Return a plant that replaces the single `old` in the script `name` by `new`."""

    def plant(monkeypatch: pytest.MonkeyPatch) -> None:
        source = vars(scripts)["lua_source"]
        text = source(name)
        assert text.count(old) == 1, f"{name}.lua has {text.count(old)} occurrences of: {old}"
        bad = text.replace(old, new)
        monkeypatch.setattr(scripts, "lua_source", lambda script: bad if script == name else source(script))

    return plant


def send_without_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send an order that may exist again, as if the target had been asked and did not have it."""

    def find(*_: Any) -> Outcome:
        return Outcome("release")

    monkeypatch.setattr(tasks.attempt, "_find", find)


@dataclass(frozen=True)
class Plant:
    """A planted bug, and the steps that lead from the start to a duplicate."""

    plant: Callable[[pytest.MonkeyPatch], None]
    lead: Callable[[Any], None]
    machine: type[Planted] = Planted


def lose_the_response(machine: Planted, fault: str = "cut after") -> None:
    machine.deliver(fault)
    machine.later()
    machine.deliver("")


def die(machine: Planted) -> None:
    lose_the_response(machine, "killed after")


def change(machine: Planted) -> None:
    machine.deliver("")
    machine.write("finer")
    machine.poll()
    machine.deliver("")


def lose_redis(machine: Lossy) -> None:
    machine.deliver("")
    machine.lose_redis()
    machine.poll()
    machine.poll()
    machine.deliver("")


PLANTS = {
    "an order that may exist is sent again without asking": Plant(send_without_asking, lose_the_response),
    "the orders of a dead drain are freed as if they were never sent": Plant(
        in_lua("sweep", "redis.call('HSET', record, 'uncertain', '1')", ""), die
    ),
    "a lost response is not noted": Plant(
        in_lua("settle", "if uncertain == '1' then redis.call('HSET', record, 'uncertain', '1') end", ""),
        lose_the_response,
    ),
    "an order that changed after its delivery is treated as new": Plant(
        in_lua(
            "accept",
            "local state = known[1]",
            "if known[4] then redis.call('DEL', record) end\n  local state = not known[4] and known[1]",
        ),
        change,
    ),
    "a new ledger treats every order as never sent": Plant(
        in_lua(
            "accept",
            "if search or former ~= '' or must_ask(placed) then redis.call('HSET', record, 'uncertain', 'ask') end",
            "",
        ),
        lose_redis,
        Lossy,
    ),
}


@pytest.mark.parametrize("planted", [True, False], ids=["planted", "as it is"])
@pytest.mark.parametrize("bug", PLANTS.values(), ids=PLANTS)
def test_the_checks_see_a_planted_duplicate(
    redis: Redis, raw: Redis, monkeypatch: pytest.MonkeyPatch, bug: Plant, *, planted: bool
) -> None:
    if planted:
        bug.plant(monkeypatch)
    machine = bug.machine(redis, raw)
    machine.start()
    bug.lead(machine)
    assert machine.ground.depot.made
    with pytest.raises(AssertionError, match="created more than once") if planted else nullcontext():
        checks.check_no_duplicates(machine.ground)


def find(machine: type[Planted], redis: Redis, raw: Redis) -> None:
    """Run until the duplicate is found, and shrink its example."""
    began = time.monotonic()
    with pytest.raises(AssertionError, match="created more than once") as caught:
        run(
            machine,
            redis,
            raw,
            max_examples=5000,  # it stops at the first failure
            stateful_step_count=15,
            derandomize=True,
            phases=(Phase.generate, Phase.shrink),
        )
    steps = numbered_steps(machine)
    print(steps, f"found and shrunk in {time.monotonic() - began:.1f} s", sep="\n")
    assert steps in "".join(caught.value.__notes__)
    assert len(machine.last.steps) <= SHORT, steps


@pytest.mark.repeat
@pytest.mark.parametrize("bug", PLANTS.values(), ids=PLANTS)
def test_a_planted_duplicate_is_found_and_reported_in_a_few_steps(
    redis: Redis, raw: Redis, monkeypatch: pytest.MonkeyPatch, bug: Plant
) -> None:
    """Search for the steps; in `make test`, `test_the_checks_see_a_planted_duplicate` with written ones."""
    bug.plant(monkeypatch)
    find(bug.machine, redis, raw)


def test_without_a_planted_bug_nothing_is_found(redis: Redis, raw: Redis) -> None:
    run(Planted, redis, raw, max_examples=30, stateful_step_count=15, derandomize=True, phases=(Phase.generate,))
