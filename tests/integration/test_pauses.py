"""Pauses, maintenance and the circuit breaker of an account."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

import tasks.deliver
import tasks.fetch
import tasks.poll
import tasks.sweep
from support.command_line import intake
from support.fake_runtime import Bulky, FakeRuntime, Shop, Warehouse
from support.gates import pass_gate
from support.orders import order
from support.redis_text import members
from tasks.bell import Bell
from tasks.sending import Sending
from worker.errors import TargetDown, Unavailable
from worker.store.limits.limit import Limit
from worker.store.limits.limiter import Scope
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import BREAKER, Outcome
from worker.store.orders.lanes import Lane

if TYPE_CHECKING:
    from redis import Redis

    from schemas.order import Order
    from support.pipeline import MakePipeline
    from worker.systems.target import Pending, Receipt


def accept(rt: FakeRuntime, count: int) -> None:
    rt.ledger.accept("t", [Delivery(order(str(n)), str(n)) for n in range(count)], "test")


def deliver(rt: FakeRuntime) -> None:
    tasks.deliver.deliver(rt, "t", rt.nudge)


def sweep(rt: FakeRuntime) -> None:
    tasks.sweep.sweep(rt, rt.nudge)


def pass_time(rt: FakeRuntime, seconds: float) -> None:
    """Make the times that the lane has recorded this many seconds older."""
    keys, redis = rt.lanes["t"].keys, rt.redis
    with redis.pipeline() as pipe:
        for key in members(redis, keys.due):
            pipe.zincrby(keys.due, -seconds * 1000, key)
        pipe.execute()
    if until := redis.hget(keys.lane, "closed_until"):
        redis.hset(keys.lane, "closed_until", int(until) - round(seconds * 1000))


def closed_for(rt: FakeRuntime) -> float:
    """Return for how many seconds the breaker keeps the lane closed."""
    return (int(rt.redis.hget(rt.lanes["t"].keys.lane, "closed_until") or 0) - rt.cursors.now()) / 1000


# Pauses


def test_a_timed_pause_ends_by_the_clock_of_redis_and_the_sweep_wakes_the_lane(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([[{"id": "1"}]]))
    accept(rt, 1)
    rt.lanes["t"].pause("stocktaking", 0.3)
    rt.cursors.pause("shop", "stocktaking", 0.3)
    sweep(rt)
    deliver(rt)
    tasks.poll.poll(rt, "shop", rt.nudge)
    assert (rt.warehouse.created, rt.shop.asked, rt.nudged) == ([], [], [])
    time.sleep(0.35)
    sweep(rt)
    assert {("deliver", "t"), ("poll", "shop")} <= set(rt.nudged)
    deliver(rt)
    assert len(rt.warehouse.created) == 1
    assert "paused" not in rt.cursors.status("shop")


def test_a_pause_without_an_end_replaces_a_timed_pause(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]))
    rt.lanes["t"].pause("for a moment", 0.05)
    rt.lanes["t"].pause("401: the key is wrong")
    time.sleep(0.1)
    sweep(rt)
    assert rt.lanes["t"].status()["paused"] == "401: the key is wrong"
    rt.lanes["t"].resume()
    assert "paused" not in rt.lanes["t"].status()


@pytest.mark.parametrize("side", ["target", "provider"])
def test_of_people_who_pause_and_resume_at_once_one_acts(redis: Redis, side: str) -> None:
    rt = FakeRuntime(redis, Shop([]))
    lane = rt.lanes["t"]
    pause = lane.pause if side == "target" else partial(rt.cursors.pause, "shop")
    resume = lane.resume if side == "target" else partial(rt.cursors.resume, "shop")

    def state() -> tuple[object, bool]:
        status = lane.status() if side == "target" else rt.cursors.status("shop")
        return status.get("paused"), "paused_until" in status

    assert [pause("first", 60, seen=""), pause("second", seen="")] == [True, False]
    assert state() == ("first", True)
    assert [resume(seen="another"), resume(seen="")] == [False, False]
    assert state() == ("first", True)
    assert [resume(seen="first"), resume(seen="first")] == [True, False]
    assert state() == (None, False)
    # A worker whose key is refused pauses whatever there is; a reason is never empty.
    assert [pause("", 60), pause("the key is wrong"), resume(), resume()] == [True] * 4
    assert pause("")
    assert state() == ("by hand", False)


def test_the_pause_command_names_the_pause_that_it_replaces(make_pipeline: MakePipeline) -> None:
    make_pipeline(1).open()
    assert "instead" not in intake("pause", "dropday", "--reason", "stocktaking").output
    again = " ".join(intake("pause", "dropday", "--for", "2h", "--reason", "audit").output.split())
    assert "UTC instead of its pause (stocktaking)." in again


def test_the_pause_command_takes_a_duration_or_a_time_and_status_shows_it(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(1).open()
    paused = intake("pause", "dropday", "--for", "2h", "--reason", "stocktaking")
    assert "dropday is paused until " in paused.output
    assert "PAUSED 2 h" in intake("status").output
    assert 7190 < (int(pipeline.lane()["paused_until"]) - pipeline.rt.cursors.now()) / 1000 <= 7200
    later = datetime.now(UTC) + timedelta(minutes=90)
    assert f"until {later:%Y-%m-%d %H:%M}:00" in intake("pause", "shop", "--until", f"{later:%H:%M}").output
    assert "is in the past" in intake("pause", "shop", "--until", "2020-01-01").output
    assert "is not a time" in intake("pause", "shop", "--until", "tomorrow").output
    assert "is not a duration" in intake("pause", "shop", "--for", "soon").output
    assert intake("pause", "shop", "--for", "1h", "--until", "06:00").exit_code == 2
    assert intake("resume", "shop").exit_code == 0
    assert "paused" not in pipeline.status()


# Maintenance


def test_an_account_in_maintenance_is_not_called_and_costs_no_try(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([[{"id": "1"}]]))
    accept(rt, 3)
    rt.fetches.add("shop", ["7"])
    rt.maintenance = [60.0, 60.0]
    sweep(rt)
    deliver(rt)
    tasks.poll.poll(rt, "shop", rt.nudge)
    tasks.fetch.fetch(rt, "shop", rt.nudge)
    assert (rt.warehouse.created, rt.shop.asked, rt.nudged) == ([], [], [])
    assert rt.lanes["t"].status()["drains"] == 0
    rt.maintenance = [0.0, 0.0]
    sweep(rt)
    assert {("deliver", "t"), ("fetch", "shop")} <= set(rt.nudged)
    deliver(rt)
    assert len(rt.warehouse.created) == 3
    assert "tries" not in rt.state("0")


def test_maintenance_that_begins_during_a_drain_stops_it_and_costs_no_try(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]))
    accept(rt, 3)
    rt.warehouse.trouble = [None, TargetDown("maintenance", 60.0)]
    deliver(rt)
    status = rt.lanes["t"].status()
    assert (len(rt.warehouse.created), status["queued"], status["snoozed"]) == (2, 1, 1) or (
        len(rt.warehouse.created) == 1 and status["queued"] == 2
    )
    assert status.get("retried", 0) == 0


def test_maintenance_windows_of_the_settings_gate_every_call(make_pipeline: MakePipeline) -> None:
    always = '\nmaintenance = ["daily 00:00-24:00"]\nmaintenance_zone = "Europe/Amsterdam"'
    pipeline = make_pipeline(3, limits=["retailcrm=off"]).open()
    pipeline.poll()
    pipeline.open(target=f'placeholder = "-"{always}', provider=always)
    calls = len(pipeline.box.journal(kind="request"))
    pipeline.poll()
    pipeline.deliver()
    with pytest.raises(TargetDown):
        pipeline.rt.targets["dropday"].find("1")
    with pytest.raises(TargetDown):
        pipeline.rt.providers["shop"].check()
    assert len(pipeline.box.journal(kind="request")) == calls
    assert "maintenance " in intake("status").output
    pipeline.open()
    pipeline.deliver_all()
    assert len(pipeline.created()) == 3


# The breaker


def test_an_open_breaker_sends_one_probe_and_a_failed_probe_closes_the_lane_for_longer(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]))
    lane = rt.lanes["t"]
    accept(rt, 20)
    failure = Outcome("retry", "unavailable", "refused")
    with lane.drain() as drain:
        drain.settle([(claim, failure) for claim in drain.claim(BREAKER)])
        drain.leave()
    pauses = []
    for _ in range(9):
        pauses.append(round(closed_for(rt)))
        assert lane.drain().claim(5) == [], "closed"
        pass_time(rt, pauses[-1] + 3)
        with lane.drain() as first, lane.drain() as second:
            claims = first.claim(5)
            assert len(claims) == 1, "exactly one probe"
            assert second.claim(5) == [], "the probe belongs to one drain"
            assert first.settle([(claims[0], failure)]) == ["queued"]
            first.leave()
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    pass_time(rt, 63)
    with lane.drain() as drain:
        (probe,) = drain.claim(5)
        drain.settle([(probe, Outcome("delivered", extra="1"))])
        assert len(drain.claim(5)) == 5, "open"


def test_calls_that_began_before_the_lane_was_closed_do_not_close_it_for_longer(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]))
    lane = rt.lanes["t"]
    lane.concurrency = 64
    accept(rt, 20)
    failure = Outcome("retry", "unavailable", "refused")
    with lane.drain() as drain, lane.drain() as other:
        claims, late = drain.claim(12), other.claim(2)
        drain.settle([(claim, failure) for claim in claims])
        assert 0 < closed_for(rt) <= 1
        assert [int(rt.state(claim.key.removeprefix("shop:")).get("tries", 0)) for claim in claims] == [1] * 5 + [0] * 7
        pass_time(rt, 2)
        assert drain.claim(5) == [], "calls are under way"
        other.settle([(claim, failure) for claim in late])
        assert closed_for(rt) < 0
        assert len(drain.claim(5)) == 1, "a probe"
    assert lane.status()["failures"] == 14


def test_after_a_failed_probe_the_workers_of_other_hosts_go_first(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    rt = FakeRuntime(redis, Shop([]))
    lane = rt.lanes["t"]
    accept(rt, 20)
    monkeypatch.setattr("socket.gethostname", lambda: "cut-off")
    failure = Outcome("retry", "unavailable", "timeout")
    with lane.drain() as drain:
        drain.settle([(claim, failure) for claim in drain.claim(BREAKER)])
        pass_time(rt, 1.1)
        drain.settle([(claim, failure) for claim in drain.claim(5)])
        pass_time(rt, 2.1)
        assert drain.claim(5) == []
        assert 0 < drain.closed <= 1
    with lane.drain() as same:
        assert same.claim(5) == []
    monkeypatch.setattr("socket.gethostname", lambda: "well-connected")
    with lane.drain() as other:
        other.settle([(claim, failure) for claim in other.claim(5)])
        pass_time(rt, 4.1)
    monkeypatch.setattr("socket.gethostname", lambda: "cut-off")
    with lane.drain() as again:
        (probe,) = again.claim(5)
        again.settle([(probe, failure)])
        pass_time(rt, 10.1)
    with lane.drain() as alone:
        assert len(alone.claim(5)) == 1, "no other host took it"


@pytest.mark.parametrize("target", [Warehouse(), Bulky()], ids=["alone", "many"])
def test_a_drain_whose_calls_fail_leaves_what_it_holds_to_others(redis: Redis, target: Warehouse) -> None:
    rt = FakeRuntime(redis, Shop([]), target)
    accept(rt, 30)
    failures: list[Exception | None] = [Unavailable("timeout")] * 20
    target.trouble = failures
    if isinstance(target, Bulky):
        target.away = failures
    with (
        rt.lanes["t"].drain() as drain,
        Sending(rt, rt.lanes["t"], drain, Bell(rt.lanes["t"], lambda: None)) as sending,
    ):
        while sending.advance(time.monotonic() + 10):
            pass
    assert len(failures) == 20 - BREAKER
    assert {rt.state(str(n))["state"] for n in range(30)} == {"queued"}


def test_a_target_that_is_down_for_twelve_hours_buries_nothing_and_is_drained_at_its_rate_afterwards(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.attempt.backoff", lambda tries: min(600.0, 2.0**tries))
    rt = FakeRuntime(redis, Shop([]))
    rt.lanes["t"] = Lane(
        redis, "t", Scope(redis, "t", (Limit(40, 1.0),)), lease=5.0, heartbeat=1.0, max_tries=4, concurrency=2
    )
    accept(rt, 40)
    down, passed = Unavailable("connection refused"), 0.0
    while passed < 12 * 3600:
        rt.warehouse.trouble = [down] * 50
        deliver(rt)
        pass_time(rt, 60)
        passed += 60
    status = rt.lanes["t"].status()
    assert (status["dead_now"], status["in_doubt_now"], status["queued"]) == (0, 0, 40)
    rt.warehouse.trouble = []
    times: list[float] = []
    create = rt.warehouse.create

    def timed(order: Order, reference: str) -> Receipt | Pending:
        pass_gate(rt.lanes["t"].scope)
        times.append(time.monotonic())
        return create(order, reference)

    monkeypatch.setattr(rt.warehouse, "create", timed)
    pass_time(rt, 700)
    while rt.lanes["t"].status()["queued"]:
        deliver(rt)
    assert len(rt.warehouse.created) == 40
    assert max(sum(start <= at < start + 1.0 for at in times) for start in times) <= 41
    assert len(times) == 40
