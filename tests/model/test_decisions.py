"""Cancellations, filters and pushes in any order: nothing is created after the ledger knows that no route wants it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

import model.machine
import tasks.attempt
import tasks.deliver
import tasks.sending
from model import checks
from model.depot import Traits
from model.faults import Died
from model.ground import LONG, Ground
from model.machine import Machine
from model.running import run
from model.test_planted import in_lua
from support.drawn import examples
from tasks.attempt import _created
from tasks.intentions import order_of
from worker.store.orders.drains import Drain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis import Redis

    from worker.store.orders.drains import Claim, Outcome
    from worker.systems.target import Target

#: It draws its examples with Hypothesis, as a test with `@given` does.
pytestmark = pytest.mark.hypothesis

#: What is written, and the faults of a write to the target: none, before its effect, and after it.
CONTENTS = st.sampled_from(["fine", "fine", "cancelled", "test", "refused", "unmapped"])
WRITES = st.sampled_from(["", "refused connection", "cut before", "cut after", "killed before", "throttled"])


class Deciding(Machine):
    """A machine of one order: what a route says of it changes at every step of its delivery.

    It leaves out losses of Redis, pauses, backfills, hints, other orders and most checks, so that an example takes
    milliseconds.
    """

    last: Machine
    work = push_only = poll = push = fetch = pause = resume = backfill = lose_redis = pass_a_month = None  # type: ignore[assignment]  # a name that is no rule leaves the rule out
    change_settings = fall_behind = fail_over = step_clock = None  # type: ignore[assignment]  # as above
    # `later` joins both.
    wait = sweep = None  # type: ignore[assignment]  # as above

    @initialize(settles=st.booleans(), updates=st.booleans(), cancels=st.booleans())
    def start(self, **traits: bool) -> None:
        self._step(f"start with a provider that was read before {traits}")
        self.ground = Ground(self.redis, self.raw, Traits(**traits), "update")
        self._poll()

    def _poll(self) -> None:
        with suppress(Died):
            tasks.poll.poll(self.ground, "shop", self._nudge)

    @rule(contents=st.lists(CONTENTS, min_size=1, max_size=3), data=st.data())
    def write(self, contents: list[str], data: st.DataObject) -> None:
        """Write versions of the order, which then are polled, or pushed in any order."""
        count = len(self.ground.source.orders.get("a", [])) + len(contents)
        numbers = st.sampled_from([None, *range(max(0, count - 4), count)])
        self.arrive(contents, data.draw(st.lists(numbers, max_size=4)))

    def arrive(self, contents: Sequence[str], numbers: Sequence[int | None]) -> None:
        self._step(f"write {contents}, then the versions {numbers} arrive (None: a poll)")
        for content in contents:
            self._write("a", content)
        versions = self.ground.source.orders["a"]
        for number in numbers:
            if number is None:
                self._poll()
            else:
                self.push_job("record", "a", versions[number])
                self._take()

    @rule()
    def later(self) -> None:
        self._step("a while later")
        self.ground.pass_time(LONG)
        tasks.sweep.sweep(self.ground, self._nudge)

    @precondition(lambda self: "queued" in self.states)
    @rule(write=WRITES, read=st.sampled_from(["", "throttled", "cancelled meanwhile"]))
    def deliver(self, write: str, read: str) -> None:
        self._step(f"deliver {write}/{read}")
        self.ground.depot.writes, self.ground.depot.read = [write], read
        with suppress(Died):
            tasks.deliver.deliver(self.ground, "t", self._nudge)
        self._clear_faults()

    @precondition(lambda self: "in_doubt" in self.states)
    @rule(move=st.sampled_from(["again", "send", "bury"]))
    def decide(self, move: Any) -> None:
        """Decide on an order in doubt. A person who looked is right: what was sent shows by then."""
        self._step(f"in doubt: {move}")
        self.ground.depot.appear()
        self.ground.stuck["t"].move(move, ["shop:a"])

    def _check(self) -> None:
        checks.check_no_duplicates(self.ground)
        assert not self.ground.depot.wrong, self.ground.depot.wrong
        self.states = {self.ground.record("a").get("state", "")}

    def teardown(self) -> None:
        """Let everything run, and check where the order ended."""
        if not self.sound or not self.steps:
            return
        self._finish()
        checks.check_finished(self.ground)


def create_anyhow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Create an order that was searched and not found, whatever the ledger says of it."""

    def create(target: Target, claim: Claim) -> Outcome:
        return _created(target, claim, target.create(order_of(claim.payload), claim.reference))

    monkeypatch.setattr(tasks.attempt, "_create", create)


def look_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decide when the order is claimed, and not again before it is sent."""
    monkeypatch.setattr(Drain, "note_left_out", lambda _, claims: list(claims))


def settings_decide_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decide by the settings when the order is accepted, and never again."""

    def keep(_: Any, __: str, claims: Sequence[Claim]) -> list[Claim]:
        return list(claims)

    monkeypatch.setattr(tasks.sending, "decide_again", keep)
    monkeypatch.setattr(model.machine, "decide_again", keep)


#: Each bug, and the steps of the machine that show it: the name of each, and its arguments.
PLANTS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], list[tuple[Any, ...]]]] = {
    "a version that is left out leaves no trace": (
        in_lua("accept", "    bury_version(key, version)\n    return", "    return"),
        [("arrive", ["fine", "cancelled"], [1, 0]), ("deliver", "", "")],
    ),
    "an order that is left out is created if it is not found": (
        create_anyhow,
        [
            ("arrive", ["fine"], [0]),
            ("deliver", "cut before", ""),
            ("arrive", ["cancelled"], [1]),
            ("later",),
            ("deliver", "", ""),
        ],
    ),
    "a cancellation during a search is ignored": (
        look_once,
        [
            ("arrive", ["fine"], [0]),
            ("deliver", "cut before", ""),
            ("later",),
            ("deliver", "", "cancelled meanwhile"),
        ],
    ),
    "a changed filter does not concern orders that wait": (
        settings_decide_once,
        [("refilter",), ("arrive", ["test"], [0]), ("refilter",), ("deliver", "", "")],
    ),
}


def test_nothing_is_created_after_the_ledger_knows_that_no_route_wants_it(redis: Redis, raw: Redis) -> None:
    run(Deciding, redis, raw, max_examples=examples(15, 100), stateful_step_count=20, print_blob=True)


@pytest.mark.repeat
@pytest.mark.timeout(0)
def test_nothing_unwanted_is_created_in_a_long_run(redis: Redis, raw: Redis) -> None:
    """Take five hundred examples.

    In `make test`, `test_nothing_is_created_after_the_ledger_knows_that_no_route_wants_it`.
    """
    run(Deciding, redis, raw, max_examples=500, stateful_step_count=30, print_blob=True)


@pytest.mark.parametrize("planted", [True, False])
@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_bug_creates_what_no_route_wants_and_is_found(
    redis: Redis, raw: Redis, monkeypatch: pytest.MonkeyPatch, plant: str, *, planted: bool
) -> None:
    change, steps = PLANTS[plant]
    if planted:
        change(monkeypatch)
    machine = Deciding(redis, raw)
    machine.start(settles=True, updates=False, cancels=False)
    for name, *arguments in steps:
        getattr(machine, name)(*arguments)
    assert bool(machine.ground.depot.wrong) is planted
    assert planted or not machine.ground.depot.made
