"""An order that arrives while the calls of a drain are under way is sent at once."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

import tasks.deliver
from support.fake_runtime import FakeRuntime, Shop, Warehouse
from support.orders import order
from tasks.bell import Bell
from tasks.calls import Calls
from tasks.sending import SETTLE_WITHIN
from worker.store.orders.delivery import Delivery
from worker.store.orders.ledger import Ledger
from worker.store.orders.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

#: Seconds of a call.
AWAY = 0.9


class Far(Warehouse):
    """A target that takes long to respond, and that notes when each call began."""

    def __init__(self) -> None:
        super().__init__()
        self.began: dict[str, float] = {}

    def create(self, *order: Any) -> Any:
        self.began[str(order[1])] = time.monotonic()
        time.sleep(AWAY)
        return super().create(*order)


def accept(rt: FakeRuntime, number: int) -> float:
    """Accept an order without a nudge; return when."""
    now = time.monotonic()
    Ledger(rt.redis, lease=5.0).accept("t", [Delivery(order(str(number)), f"R{number}")], "test")
    return now


def has_begun(target: Far, number: int) -> bool:
    return f"R{number}" in target.began


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not true():
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.fixture
def target() -> Far:
    return Far()


@pytest.fixture
def far(redis: Redis, target: Far) -> FakeRuntime:
    rt = FakeRuntime(redis, Shop([]), target)
    rt.lanes["t"].concurrency, rt.lanes["t"].pace = 64, Pace()
    for _ in range(20):
        rt.lanes["t"].pace.note([AWAY], AWAY)
    return rt


@pytest.mark.parametrize("idle", [0.0, 5.0])
def test_an_order_is_sent_at_once_while_the_call_of_another_is_under_way(
    far: FakeRuntime, target: Far, idle: float
) -> None:
    accept(far, 0)
    drain = threading.Thread(target=tasks.deliver.deliver, args=(far, "t", far.nudge), kwargs={"idle": idle})
    drain.start()
    late = []
    for number in range(1, 4):
        wait_until(partial(has_begun, target, number - 1))
        time.sleep(SETTLE_WITHIN + 0.1)  # by then a claim has found the lane empty
        at = accept(far, number)
        wait_until(partial(has_begun, target, number))
        late.append(target.began[f"R{number}"] - at)
    far.set_clocks(drain=0.0)
    drain.join()
    assert max(late) < AWAY / 3, late
    assert len(target.created) == 4


def test_an_order_that_arrives_as_the_task_ends_is_passed_on(far: FakeRuntime) -> None:
    passed = threading.Event()
    with Bell(far.lanes["t"], passed.set) as bell:
        bell.listen()
        wait_until(lambda: bool(far.redis.exists(far.lanes["t"].keys.waiting)))
    accept(far, 1)
    assert passed.wait(2)
    wait_until(lambda: not far.redis.exists(far.lanes["t"].keys.waiting))


def test_a_bell_of_a_lane_at_which_another_drain_waits_does_not_ring(far: FakeRuntime) -> None:
    rung = threading.Event()
    far.redis.set(far.lanes["t"].keys.waiting, 1)
    with Bell(far.lanes["t"], rung.set) as bell:
        bell.on_ring = rung.set
        bell.listen()
        accept(far, 1)
        assert not rung.wait(0.5)
        assert far.redis.llen(far.lanes["t"].keys.wake) == 1


def test_an_interrupt_ends_a_wait_for_calls_and_loses_none() -> None:
    go = threading.Event()
    with Calls[int, int](lambda job: go.wait(5) and job) as calls:
        calls.width = 2
        calls.begin(1, ["a"])
        threading.Timer(0.05, calls.interrupt).start()
        began = time.monotonic()
        assert calls.take(5.0) == []
        assert time.monotonic() - began < 1
        go.set()
        assert [ended.result for ended in calls.take(5.0)] == [1]
        calls.begin(2, ["b"])
        calls.interrupt()
    assert calls.under_way == 0
