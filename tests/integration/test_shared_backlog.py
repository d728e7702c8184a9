"""The drains of a slow target share its backlog: none holds orders that another could send."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

import tasks.deliver
import tasks.sweep
from support.fake_runtime import Bulky, FakeRuntime, Shop, Warehouse
from support.orders import order
from worker.store.orders.ledger import Delivery

if TYPE_CHECKING:
    from redis import Redis

    from schemas.order import Order
    from worker.systems.target import Pending, Receipt


@dataclass
class Backlog:
    """A lane with orders, and a target whose calls take `call` seconds of a clock that only they advance."""

    redis: Redis
    call: float
    warehouse: Warehouse
    orders: int = 10
    now: float = 0.0
    #: The orders that the drain holds, at each call.
    held: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rt = FakeRuntime(self.redis, Shop([]), self.warehouse)
        self.rt.set_clocks(drain=1000.0)
        self.lane = self.rt.lanes["t"]
        deliveries = [Delivery(order(str(n)), str(n)) for n in range(self.orders)]
        self.rt.ledger.accept("t", deliveries, "test")

    def monotonic(self) -> float:
        return self.now

    def serve(self) -> None:
        """Take the time of one call."""
        due = self.redis.zcard(self.lane.keys.due)
        self.held.append(self.orders - len(self.warehouse.created) - due)
        self.now += self.call

    def deliver(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tasks.deliver.time", self)
        tasks.deliver.deliver(self.rt, "t", self.rt.nudge)
        assert sorted(reference for reference, _ in self.warehouse.created) == sorted(map(str, range(self.orders)))


class Slow(Warehouse):
    """A target whose calls take time."""

    backlog: Backlog

    def create(self, order: Order, reference: str) -> Receipt | Pending:
        self.backlog.serve()
        return super().create(order, reference)


def backlog_of(redis: Redis, call: float) -> Backlog:
    warehouse = Slow()
    warehouse.backlog = Backlog(redis, call, warehouse)
    return warehouse.backlog


@pytest.mark.parametrize(("call", "most"), [(0.01, 9), (0.2, 5), (0.4, 2), (0.7, 1), (5.0, 1)])
def test_a_drain_holds_what_it_sends_in_a_second(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, call: float, most: int
) -> None:
    backlog = backlog_of(redis, call)
    backlog.lane.call_seconds = None
    backlog.deliver(monkeypatch)
    assert backlog.held[0] == 1
    assert max(backlog.held) == most


def test_a_target_that_becomes_slow_leaves_the_rest_to_other_drains(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    backlog = backlog_of(redis, 5.0)
    backlog.deliver(monkeypatch)
    assert backlog.held == [10, *[1] * 9]


def test_a_lane_with_one_drain_keeps_what_it_claimed(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    backlog = backlog_of(redis, 5.0)
    backlog.lane.concurrency = 1
    backlog.deliver(monkeypatch)
    assert backlog.held == [*range(10, 0, -1)]


def test_a_slow_target_that_takes_many_orders_in_a_call_gets_whole_calls(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]), Bulky())
    rt.lanes["t"].call_seconds = 5.0
    assert tasks.deliver._most(rt.lanes["t"], rt.warehouse) == Bulky.bulk


@pytest.mark.parametrize(("drains", "age", "nudged"), [(0, 0, 1), (1, 0, 0), (1, 8000, 1), (2, 8000, 0)])
def test_an_order_that_waits_for_the_drains_there_are_gets_another_up_to_the_concurrency(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, drains: int, age: int, nudged: int
) -> None:
    monkeypatch.setattr("tasks.sweep.LATE", 4000.0)
    backlog = backlog_of(redis, 5.0)
    for _ in range(drains):
        assert backlog.lane.drain().claim(1)
    for key in redis.zrange(backlog.lane.keys.due, 0, -1):
        redis.zincrby(backlog.lane.keys.due, -age * 1000, str(key))
    tasks.sweep.sweep(backlog.rt, backlog.rt.nudge)
    assert backlog.rt.nudged.count(("deliver", "t")) == nudged
