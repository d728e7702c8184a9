"""A drain that waits at an empty lane: an accepted order wakes the drain, and its death delays no order."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

import tasks.deliver
from support.fake_runtime import FakeRuntime, Shop
from support.orders import order
from worker.store.limits.limiter import Scope
from worker.store.orders.delivery import Delivery
from worker.store.orders.lanes import Lane
from worker.store.orders.ledger import Accepted, Ledger

if TYPE_CHECKING:
    from redis import Redis


@pytest.fixture
def lane(redis: Redis) -> Lane:
    return Lane(redis, "t", Scope(redis, "t", ()), lease=5.0, heartbeat=1.0, max_tries=3, concurrency=2)


def accept(redis: Redis, number: int = 1) -> Accepted:
    return Ledger(redis, lease=5.0).accept("t", [Delivery(order(str(number)), f"R{number}")], "test")


def test_an_accepted_order_wakes_the_waiting_drain_without_a_nudge(redis: Redis, lane: Lane) -> None:
    woken_at: list[float] = []

    def wait() -> None:
        if lane.wait(time.monotonic() + 5):
            woken_at.append(time.monotonic())

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.3)
    began = time.monotonic()
    assert not accept(redis).nudge
    thread.join()
    assert woken_at[0] - began < 0.5
    assert redis.keys("intake:lane:t:wa*") == []


def test_an_accepted_order_wakes_the_waiting_drain_while_another_drain_waits_for_its_calls(
    redis: Redis, lane: Lane
) -> None:
    accept(redis)
    with lane.drain() as busy:
        assert busy.claim(1), "its call takes long"
        redis.set(lane.keys.waiting, 1)
        assert not accept(redis, 2).nudge
        redis.delete(lane.keys.waiting)
        assert lane.wait(time.monotonic() - 1)


def test_only_one_drain_waits_at_a_lane(redis: Redis, lane: Lane) -> None:
    redis.set("intake:lane:t:waiting", 1)
    assert not lane.wait(time.monotonic() + 5)


def test_an_order_accepted_as_the_wait_ends_is_delivered(redis: Redis, lane: Lane) -> None:
    redis.set("intake:lane:t:waiting", 1)
    assert not accept(redis).nudge
    redis.delete("intake:lane:t:waiting")
    assert lane.wait(time.monotonic() - 1)


def test_the_next_sweep_removes_a_drain_that_died_while_it_waited(redis: Redis, lane: Lane) -> None:
    redis.set("intake:lane:t:waiting", 1, px=200)
    assert not accept(redis).nudge
    time.sleep(0.3)
    swept = lane.sweep()
    assert (swept.due, swept.drains) == (1, 0)
    assert accept(redis, 2).nudge


def test_the_sweep_wakes_the_waiting_drain_for_orders_that_became_due(redis: Redis, lane: Lane) -> None:
    accept(redis)
    redis.set("intake:lane:t:waiting", 1)
    assert lane.sweep().drains == 1
    assert redis.llen("intake:lane:t:wake") == 1
    lane.sweep()
    assert redis.llen("intake:lane:t:wake") == 1
    lane.pause("by hand")
    redis.delete("intake:lane:t:wake")
    assert lane.sweep().drains == 0
    assert redis.llen("intake:lane:t:wake") == 0


def test_a_waiting_drain_delivers_new_orders_and_nudges_its_successor_when_its_time_is_up(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]))
    thread = threading.Thread(
        target=tasks.deliver.deliver,
        args=(rt, "t", rt.nudge),
        kwargs={"idle": 2.0},
    )
    thread.start()
    for number in (1, 2):
        time.sleep(0.4)
        accept(redis, number)
    time.sleep(0.4)
    assert [reference for reference, _ in rt.warehouse.created] == ["R1", "R2"]
    thread.join()
    assert rt.nudged == [("deliver", "t")]


def test_a_drain_without_an_idle_time_ends_when_the_lane_is_empty(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]))
    began = time.monotonic()
    tasks.deliver.deliver(rt, "t", rt.nudge)
    assert time.monotonic() - began < 1
    assert rt.nudged == []
