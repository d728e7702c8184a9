"""A drain sends as many orders at once as the target needs, and the drains of a lane share a burst and a backlog."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

import tasks.deliver
import tasks.sweep
from support.fake_runtime import Bulky, FakeRuntime, Shop, Warehouse
from support.orders import order
from tasks.bell import Bell
from tasks.sending import Sending
from worker.errors import LeaseLost, RateLimited
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Claim, Outcome
from worker.store.orders.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis import Redis

    from schemas.order import Order
    from worker.errors import IntakeError
    from worker.systems.target import Pending, Receipt


class Measured(Pace):
    """A pace that does not change with the speed of the machine."""

    def __init__(self, width: int, stock: float) -> None:
        super().__init__()
        self._width, self._stock = width, stock

    def note(self, calls: Sequence[float], attempt: float) -> None:
        return

    def width(self, interval: float) -> int:
        return self._width

    def stock(self, interval: float, width: int) -> float:
        return self._stock


class Quickened(Measured):
    """A pace of which one call at a time is enough after twenty calls."""

    _noted = 0

    def note(self, calls: Sequence[float], attempt: float) -> None:
        self._noted += 1
        if self._noted > 20:
            self._width = 1


@dataclass
class Far(Warehouse):
    """A target whose calls are under way until `together` of them are, or for `patience` seconds."""

    together: int = 1
    patience: float = 5.0
    #: Called with the reference when a call is about to end; an exception that it raises is its response.
    before_end: Callable[[str], object] = lambda _: None
    under_way: set[str] = field(default_factory=set)
    most: int = 0

    def __post_init__(self) -> None:
        super().__init__()
        self.changed = threading.Condition()

    def create(self, order: Order, reference: str) -> Receipt | Pending:
        with self.changed:
            assert reference not in self.under_way, "two calls of one order at once"
            self.under_way.add(reference)
            self.most = max(self.most, len(self.under_way))
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.most >= self.together, self.patience)
        try:
            self.before_end(reference)
            return super().create(order, reference)
        finally:
            with self.changed:
                self.under_way.discard(reference)


def runtime_of(redis: Redis, target: Warehouse, orders: int, *, width: int = 8, stock: float = 50) -> FakeRuntime:
    rt = FakeRuntime(redis, Shop([]), target)
    rt.set_clocks(drain=1000.0)
    rt.lanes["t"].concurrency = 64
    rt.lanes["t"].pace = Measured(width, stock)
    rt.ledger.accept("t", [Delivery(order(str(n)), str(n)) for n in range(orders)], "test")
    return rt


def created(rt: FakeRuntime) -> list[str]:
    return sorted((reference for reference, _ in rt.warehouse.created), key=int)


def test_a_drain_sends_as_many_orders_at_once_as_the_target_needs_and_each_once(redis: Redis) -> None:
    far = Far(together=8)
    rt = runtime_of(redis, far, 30)
    tasks.deliver.deliver(rt, "t", rt.nudge)
    assert created(rt) == [str(n) for n in range(30)]
    assert far.most == 8
    assert rt.lanes["t"].status()["delivered"] == 30


@pytest.mark.parametrize("concurrency", [1, 2, 5])
def test_the_drains_of_a_lane_make_no_more_calls_at_once_than_its_concurrency(redis: Redis, concurrency: int) -> None:
    far = Far(together=concurrency + 1, patience=0.05)
    rt = runtime_of(redis, far, 20, width=4)
    rt.lanes["t"].concurrency = concurrency
    drains = [threading.Thread(target=tasks.deliver.deliver, args=(rt, "t", rt.nudge)) for _ in range(3)]
    for drain in drains:
        drain.start()
    for drain in drains:
        drain.join(30)
    tasks.deliver.deliver(rt, "t", rt.nudge)
    assert created(rt) == [str(n) for n in range(20)]
    assert far.most <= concurrency


def test_a_target_that_became_fast_is_called_without_threads_while_many_orders_wait(redis: Redis) -> None:
    callers: list[threading.Thread] = []
    rt = runtime_of(redis, Far(together=8, before_end=lambda _: callers.append(threading.current_thread())), 200)
    rt.lanes["t"].pace = Quickened(8, 50)
    tasks.deliver.deliver(rt, "t", rt.nudge)
    assert len(created(rt)) == 200
    assert threading.main_thread() not in callers[8:20]
    assert set(callers[100:150]) == {threading.main_thread()}


def test_a_drain_takes_the_calls_that_the_others_leave(redis: Redis) -> None:
    rt = runtime_of(redis, Warehouse(), 20)
    lane = rt.lanes["t"]
    lane.concurrency = 10
    with lane.drain() as first, lane.drain() as second:
        claims = first.claim(2, width=8)
        assert first.width == 8
        others = second.claim(2, width=8)
        assert (len(others), second.width) == (2, 2)
        first.settle([(claim, Outcome("release")) for claim in claims])
        first.leave()
        second.claim(1, width=8, needed=2)
        assert second.width == 8


def test_a_drain_that_finds_nothing_more_leaves_its_calls_to_others(redis: Redis) -> None:
    rt = runtime_of(redis, Warehouse(), 1)
    lane = rt.lanes["t"]
    lane.concurrency = 4
    with lane.drain() as first, lane.drain() as second:
        assert first.claim(1, width=4)
        assert first.claim(5, width=4, needed=1) == []
        rt.ledger.accept("t", [Delivery(order("new"), "new")], "test")
        assert [claim.reference for claim in second.claim(1, width=4)] == ["new"]
        assert (first.width, second.width) == (1, 3)


def test_a_drain_that_empties_a_lane_leaves_to_others_the_calls_that_it_does_not_need(redis: Redis) -> None:
    rt = runtime_of(redis, Warehouse(), 3)
    lane = rt.lanes["t"]
    lane.concurrency = 8
    with lane.drain() as first, lane.drain() as second:
        assert len(first.claim(5, width=8)) == 3
        rt.ledger.accept("t", [Delivery(order("new"), "new")], "test")
        assert [claim.reference for claim in second.claim(5, width=8)] == ["new"]
        assert (first.width, second.width) == (3, 2)


def test_the_error_of_one_call_leaves_the_others_settled(redis: Redis) -> None:
    def lose(reference: str) -> None:
        if reference == "3":
            raise LeaseLost("taken over")

    rt = runtime_of(redis, Far(together=8, before_end=lose), 8)
    tasks.deliver.deliver(rt, "t", rt.nudge)
    assert created(rt) == [str(n) for n in range(8) if n != 3]
    assert rt.lanes["t"].status()["delivered"] == 7
    assert rt.state("3")["state"] == "claimed", "it is searched for when the lease has ended"


def test_a_lost_lease_lets_no_further_call_begin(redis: Redis) -> None:
    def lose(_: str) -> None:
        redis.delete(rt.lanes["t"].keys.drains)

    far = Far(together=4, before_end=lose)
    rt = runtime_of(redis, far, 20, width=4, stock=4)
    tasks.deliver.deliver(rt, "t", rt.nudge)
    assert len(rt.warehouse.created) <= 8
    assert rt.lanes["t"].status().get("delivered", 0) == 0


def test_a_limit_that_one_call_meets_stops_those_that_did_not_begin(redis: Redis) -> None:
    def refuse(reference: str) -> None:
        if reference == "0":
            raise RateLimited("slow down", 60.0)
        time.sleep(0.05)

    far = Far(together=2, before_end=refuse)
    rt = runtime_of(redis, far, 20, width=2, stock=20)
    work = rt.lanes["t"].drain

    def once() -> object:
        drain = work()
        claim = drain.claim
        first = iter([True])
        drain.claim = lambda most, **calls: claim(most, **calls) if next(first, False) else []  # type: ignore[method-assign]
        return drain

    rt.lanes["t"].drain = once  # type: ignore[method-assign,assignment]
    tasks.deliver.deliver(rt, "t", rt.nudge)
    assert 1 <= len(rt.warehouse.created) <= 2
    assert rt.state("19")["state"] == "queued"


def test_a_stop_lets_the_calls_under_way_end_and_no_other_begin(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: list[bool] = []
    for module in ("deliver", "sending"):
        monkeypatch.setattr(f"tasks.{module}.stopping", lambda: bool(stopped))
    rt = runtime_of(redis, Far(together=4, before_end=lambda _: stopped.append(True)), 20, width=4)
    tasks.deliver.deliver(rt, "t", rt.nudge)
    assert len(rt.warehouse.created) == 4
    assert rt.lanes["t"].status()["delivered"] == 4
    assert {rt.state(str(n))["state"] for n in range(20)} - {"delivered"} == {"queued"}


def test_the_calls_of_a_target_that_takes_many_orders_are_made_at_once(redis: Redis) -> None:
    bulky = Bulky()
    barrier = threading.Barrier(3)
    create_many = bulky.create_many

    def meet(batch: Sequence[tuple[Order, str]]) -> list[Receipt | IntakeError]:
        if len(bulky.calls) < 3:
            barrier.wait(10)
        return create_many(batch)

    bulky.create_many = meet  # type: ignore[method-assign]
    rt = runtime_of(redis, bulky, 9, width=3)
    tasks.deliver.deliver(rt, "t", rt.nudge)
    assert sorted(map(len, bulky.calls)) == [3, 3, 3]
    assert created(rt) == [str(n) for n in range(9)]


def test_a_half_open_lane_is_probed_by_one_call(redis: Redis) -> None:
    far = Far(together=2, patience=0.05)
    rt = runtime_of(redis, far, 10, width=8)
    redis.hset(rt.lanes["t"].keys.lane, "failures", 5)
    lane = rt.lanes["t"]
    with lane.drain() as drain:
        claims = drain.claim(8, width=8)
        assert len(claims) == 1
        assert drain.claim(8, width=8, needed=1) == []
        drain.settle([(claims[0], Outcome("delivered"))])
        assert len(drain.claim(8, width=8)) == 8


def test_an_order_that_killed_two_workers_is_sent_with_no_other(redis: Redis) -> None:
    rt = runtime_of(redis, Warehouse(), 3)
    lane = rt.lanes["t"]
    redis.hset(f"{lane.keys.order}shop:1", "lost", 2)
    with lane.drain() as drain:
        assert [claim.reference for claim in drain.claim(8, width=8)] == ["0"]
        assert drain.claim(8, width=8, needed=1) == [], "it waits until nothing else is in hand"
        drain.settle([(claim, Outcome("delivered")) for claim in drain_claims(rt, ["0"])])
        assert [claim.reference for claim in drain.claim(8, width=8)] == ["1"]
        assert drain.claim(8, width=8, needed=1) == [], "nothing is claimed beside it"


def drain_claims(rt: FakeRuntime, references: list[str]) -> list[Claim]:
    return [
        Claim(f"shop:{reference}", reference, rt.state(reference)["fingerprint"], 0, "") for reference in references
    ]


@pytest.mark.parametrize(("stock", "most"), [(50, 50), (4, 6), (0.2, 2)])
def test_a_drain_holds_what_it_sends_in_a_second(redis: Redis, stock: float, most: int) -> None:
    held: list[int] = []
    lanes: list[str] = []

    def count(_: str) -> None:
        held.append(sum([int(redis.scard(key)) for key in redis.scan_iter(f"{lanes[0]}*")]))

    far = Far(together=2, before_end=count)
    rt = runtime_of(redis, far, 60, width=2, stock=stock)
    lanes.append(rt.lanes["t"].keys.claims)
    tasks.deliver.deliver(rt, "t", rt.nudge)
    assert len(rt.warehouse.created) == 60
    # Some have been sent, and wait to be settled.
    assert max(held[: most // 2 + 1]) <= most


@pytest.mark.parametrize(("drains", "age", "nudged"), [(0, 0, 1), (1, 0, 0), (1, 8000, 1), (2, 8000, 0)])
def test_an_order_that_waits_for_the_drains_there_are_gets_another_up_to_the_most(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, drains: int, age: int, nudged: int
) -> None:
    monkeypatch.setattr("tasks.sweep.LATE", 4000.0)
    rt = runtime_of(redis, Warehouse(), 10)
    for _ in range(drains):
        assert rt.lanes["t"].drain().claim(1)
    for key in redis.zrange(rt.lanes["t"].keys.due, 0, -1):
        redis.zincrby(rt.lanes["t"].keys.due, -age * 1000, str(key))
    tasks.sweep.sweep(rt, rt.nudge)
    assert rt.nudged.count(("deliver", "t")) == nudged


def test_orders_of_a_target_that_became_slow_are_left_to_other_drains(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.sending.RELEASE_AFTER", 0.05)
    monkeypatch.setattr("tasks.sending.SETTLE_WITHIN", 0.02)
    waiting: list[int] = []

    def look(_: str) -> None:
        until = time.monotonic() + 5
        while time.monotonic() < until and not waiting:
            if (due := int(redis.zcard(rt.lanes["t"].keys.due))) == 8:
                waiting.append(due)
            time.sleep(0.01)

    rt = runtime_of(redis, Far(together=2, before_end=look), 10, width=2, stock=8)
    tasks.deliver.deliver(rt, "t", rt.nudge)
    assert set(waiting) == {8}, "what it cannot send soon is released while its calls are under way"
    assert len(rt.warehouse.created) == 10


def test_a_call_that_waits_when_its_drain_ends_sends_nothing(redis: Redis) -> None:
    rt = runtime_of(redis, Warehouse(), 1)
    with (
        rt.lanes["t"].drain() as drain,
        Sending(rt, rt.lanes["t"], drain, Bell(rt.lanes["t"], lambda: None)) as sending,
    ):
        drain.claim(1)
        sending.check()
        sending.__exit__(None, None, None)
        with pytest.raises(LeaseLost):
            sending.check()
