"""A clock of Redis that steps: the ledger's time goes on as if it had not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

import pytest
from redis import Redis as Client

from support.fake_runtime import FakeRuntime, Shop
from support.gates import pass_gate
from support.orders import order
from tasks.sweep import sweep
from worker.errors import RateLimited
from worker.store.feeds.cursors import Cursors
from worker.store.health.state import Snapshot
from worker.store.limits.limit import Limit
from worker.store.limits.limiter import Scope
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome
from worker.store.orders.lanes import Lane
from worker.store.orders.ledger import Ledger
from worker.store.redis import clock, scripts, witness
from worker.store.redis.lua_source import lua_names, lua_source
from worker.watch.judgements import judge

if TYPE_CHECKING:
    from redis import Redis

HOUR = 3600.0
BACK_AND_AHEAD = pytest.mark.parametrize("seconds", [-HOUR, HOUR, -86_400.0, 86_400.0, -3.0])


class Clock:
    """Redis' clock, and this host's own, as the scripts see them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, redis: Redis) -> None:
        self._redis, self._ahead, self._slept = redis, 0.0, 0.0
        self._host = "one"
        redis.set("clock:ahead", 0)
        stepped = (
            "(function() local t = redis.call('TIME'); "
            "local us = t[1] * 1000000 + t[2] + redis.call('GET', 'clock:ahead'); "
            "return {math.floor(us / 1000000), us % 1000000} end)()"
        )
        monkeypatch.setattr(scripts, "lua_source", lambda name: lua_source(name).replace("redis.call('TIME')", stepped))
        monkeypatch.setattr(witness, "uptime", lambda: time.monotonic() + self._slept)
        monkeypatch.setattr(witness, "_host", lambda: self._host)
        clock.now(redis)

    def step(self, seconds: float) -> None:
        """Let Redis' clock step, which no clock of a host notices."""
        self._ahead += seconds
        self._redis.set("clock:ahead", int(self._ahead * 1e6))

    def sleep(self, seconds: float) -> None:
        """Let this time pass, without any process."""
        self._slept += seconds
        self.step(seconds)

    def start_elsewhere(self) -> None:
        """Let the next script come from another host."""
        self._host = "two"


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch, redis: Redis) -> Clock:
    return Clock(monkeypatch, redis)


@pytest.mark.parametrize("host", ["one", "two"])
@pytest.mark.parametrize("noted", [0.0, 0.05, 1.0, 60.0, -60.0])
@pytest.mark.parametrize("ahead", [0.0, 3.0, -3.0])
def test_a_reader_without_scripts_reads_the_same_time(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, noted: float, ahead: float, host: str
) -> None:
    seconds, micros = redis.time()
    raw, up = seconds * 1_000_000 + micros, witness.host_time()
    redis.hset(witness.CLOCK, "read", raw - int(noted * 1e6))
    redis.hset(witness.CLOCK, "ahead", int(ahead * 1e6))
    redis.hset(witness.CLOCK, "one", f"{up - 500_000} {raw - 500_000}")
    monkeypatch.setattr(witness, "_host", lambda: host)
    with redis.pipeline() as pipe:
        clock.enqueue_reading(pipe)
        read = clock.read_time(*pipe.execute())
    # The clocks go on between the two readings.
    assert read * 1000 <= clock.now(redis) + 1
    assert clock.now(redis) - read * 1000 < 1000


def passed(redis: Redis, before: int) -> float:
    """Return the seconds of the ledger since `before` (ms)."""
    return (clock.now(redis) - before) / 1000


@BACK_AND_AHEAD
def test_the_time_of_the_ledger_goes_on_when_the_clock_steps(redis: Redis, steps: Clock, seconds: float) -> None:
    before = clock.now(redis)
    steps.step(seconds)
    assert -0.1 <= passed(redis, before) < 0.5
    steps.step(-seconds)
    assert -0.1 <= passed(redis, before) < 1


@pytest.mark.parametrize("host", ["the same host", "another host"])
def test_time_that_passes_without_any_process_is_no_step(redis: Redis, steps: Clock, host: str) -> None:
    before = clock.now(redis)
    steps.sleep(8 * HOUR)
    if host == "another host":
        steps.start_elsewhere()
    assert passed(redis, before) == pytest.approx(8 * HOUR, abs=1)


def test_after_a_step_the_ledger_slowly_approaches_the_clock_and_never_goes_back(redis: Redis, steps: Clock) -> None:
    began, before = time.monotonic(), clock.now(redis)
    steps.step(-3.0)
    last = clock.now(redis)
    for _ in range(200):
        steps.sleep(1.1)
        assert clock.now(redis) > last
        last = clock.now(redis)
    assert float(redis.hget("intake:clock", "ahead") or 0) == pytest.approx(1.9e6, abs=0.1e6)
    # The 400 calls take time of their own, which a distant or busy server multiplies.
    called = time.monotonic() - began
    assert passed(redis, before) == pytest.approx(200 * 1.1 - 1.1 + called, abs=0.5)


@BACK_AND_AHEAD
def test_no_limit_is_exceeded_when_the_clock_steps(redis: Redis, steps: Clock, seconds: float) -> None:
    scope = Scope(redis, "s", (Limit(1000, 1.0), Limit(4, 86_400.0)), patience=3.0)
    for _ in range(3):
        pass_gate(scope)
    steps.step(seconds)
    for _ in range(2):
        with pytest.raises(RateLimited) as limited:
            scope.enter()
        assert limited.value.delay > HOUR
        steps.sleep(1.0)


@BACK_AND_AHEAD
def test_a_limit_stays_open_when_the_clock_steps(redis: Redis, steps: Clock, seconds: float) -> None:
    scope = Scope(redis, "s", (Limit(50, 1.0),), patience=0.5)
    pass_gate(scope)
    steps.step(seconds)
    for _ in range(3):
        pass_gate(scope)


def lane_of(redis: Redis) -> Lane:
    return Lane(redis, "t", Scope(redis, "t", ()), lease=5.0, heartbeat=1.0, max_tries=3, concurrency=1)


@BACK_AND_AHEAD
def test_a_living_drain_keeps_its_orders_and_a_dead_one_loses_them_within_a_lease(
    redis: Redis, steps: Clock, seconds: float
) -> None:
    lane = lane_of(redis)
    Ledger(redis, lease=5.0).accept("t", [Delivery(order(), "R1")], "test")
    with lane.drain() as drain:
        (claim,) = drain.claim(1)
        steps.step(seconds)
        assert lane.sweep().freed == 0
        assert drain.settle([(claim, Outcome("retry", "x", delay=0.0))]) == ["queued"]
        drain.claim(1)
    steps.step(-seconds)
    for _ in range(5):
        steps.sleep(1.5)
        if lane.sweep().freed:
            return
    raise AssertionError("a dead drain keeps its orders for more than a lease")


@BACK_AND_AHEAD
def test_an_order_that_waits_for_a_retry_is_sent_after_its_delay(redis: Redis, steps: Clock, seconds: float) -> None:
    lane = lane_of(redis)
    Ledger(redis, lease=5.0).accept("t", [Delivery(order(), "R1")], "test")
    with lane.drain() as drain:
        drain.settle([(drain.claim(1)[0], Outcome("retry", "x", delay=8.0))])
    steps.step(seconds)
    assert lane.sweep().due == 0
    steps.sleep(1.9)
    assert lane.sweep().due == 0
    for _ in range(5):
        steps.sleep(1.9)
        lane.sweep()
    assert lane.sweep().due == 1


@BACK_AND_AHEAD
def test_polls_keep_their_rhythm_when_the_clock_steps(redis: Redis, steps: Clock, seconds: float) -> None:
    cursors = Cursors(redis, lease=5.0, heartbeat=1.0)
    with cursors.poll("p", 3.0) as poll:
        poll.advance("a", more=False, records=1)  # type: ignore[union-attr]
    steps.step(seconds)
    with cursors.poll("p", 4.0) as early:
        assert early == "early"
    for _ in range(3):
        steps.sleep(1.5)
        clock.now(redis)
    with cursors.poll("p", 4.0) as begun:
        assert begun != "early"


def test_after_a_step_back_leases_and_marks_of_dead_processes_end_in_time(redis: Redis, steps: Clock) -> None:
    rt = FakeRuntime(redis, Shop([]))
    marks = {"intake:poll:shop": int(rt.settings.clocks.lease * 1000), "intake:alarms:judged": 60_000}
    for key, lifetime in marks.items():
        redis.set(key, "gone", px=lifetime + 3_600_000)  # as Redis' own clock, an hour back, has it
    steps.step(-HOUR)
    clock.now(redis)
    sweep(rt, lambda *_: None)
    assert all(redis.pttl(key) <= lifetime for key, lifetime in marks.items())
    assert not clock.went_back(redis)


@pytest.mark.parametrize(("seconds", "shown"), [(-HOUR, "back"), (HOUR, "ahead")])
def test_a_step_raises_an_alarm_for_an_hour(redis: Redis, steps: Clock, seconds: float, shown: str) -> None:
    rt = FakeRuntime(redis, Shop([]))
    steps.step(seconds)

    def raised() -> list[str]:
        now = clock.now(redis) / 1000
        step = clock.read_step(cast("dict[str, str]", redis.hgetall("intake:clock")))
        found = judge(Snapshot(now, now, clock_step=step), rt.settings)
        return [judgement.facts for judgement in found if judgement.kind == "clock_stepped"]

    assert f"stepped {shown} by 60 min" in raised()[0]
    steps.sleep(HOUR + 60)
    assert raised() == []


def test_a_user_that_may_only_read_reads_the_time_and_is_refused_nothing(redis: Redis, steps: Clock) -> None:
    commands = ["+client", "+evalsha", "+script|load", "+time", "+get", "+hmget", "+hlen"]
    redis.acl_setuser("reader", enabled=True, nopass=True, keys=["intake:clock*", "clock:ahead"], commands=commands)
    redis.acl_log_reset()
    before, written = clock.now(redis), redis.hgetall("intake:clock")
    steps.sleep(1.0)
    steps.start_elsewhere()
    port = redis.connection_pool.connection_kwargs["port"]
    with Client(port=port, username="reader", password="any") as reader:
        assert passed(reader, before) == pytest.approx(1.0, abs=0.5)
    assert redis.acl_log() == []
    assert redis.hgetall("intake:clock") == written
    redis.acl_deluser("reader")


def test_no_script_reads_the_time_by_itself() -> None:
    for name in lua_names():
        assert lua_source(name).count("redis.call('TIME')") == ("ledger_time()" in lua_source(name)), name
