"""After a lost answer, an order of somebody else with our reference does not count as delivered, on a real Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import tasks.deliver
import tasks.doubt
import tasks.sweep
from support.fake_runtime import FakeRuntime, Shop, Warehouse
from support.orders import order
from tasks.accept import accept
from worker.errors import Held, Uncertain

if TYPE_CHECKING:
    from redis import Redis

    from schemas.order import Order
    from worker.systems.target import Receipt


class Recognizing(Warehouse):
    """A target that records what it is asked to recognize, and recognizes nothing if `foreign`."""

    foreign = False

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str | None, bool]] = []

    def recognize(self, order: Order, reference: str, receipt: Receipt, *, changed: bool) -> None:
        self.asked.append((order.note, changed))
        if self.foreign:
            raise Held("another order has this reference")


@pytest.fixture
def rt(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> FakeRuntime[Shop, Recognizing]:
    monkeypatch.setattr("tasks.attempt.backoff", lambda _: 0.0)
    return FakeRuntime(redis, Shop([]), Recognizing())


def arrive(rt: FakeRuntime[Shop, Recognizing], note: str, version: int) -> None:
    accept(rt, [order("1", note=note, version=version)], "poll shop", rt.nudge)


def deliver(rt: FakeRuntime[Shop, Recognizing]) -> None:
    tasks.sweep.sweep(rt, rt.nudge)
    tasks.deliver.deliver(rt, "t", rt.nudge)


def lose_the_answer(rt: FakeRuntime[Shop, Recognizing]) -> None:
    """Accept an order and lose the answer to its creation."""
    rt.warehouse.after = [Uncertain("cut")]

    def unavailable(_: str) -> None:
        if rt.warehouse.created:
            raise Uncertain("cut")

    rt.warehouse.before_find = unavailable
    arrive(rt, "call", 1)
    deliver(rt)
    rt.warehouse.before_find = lambda _: None


@pytest.mark.parametrize("foreign", [True, False])
def test_an_order_that_is_found_counts_as_delivered_only_if_it_is_ours(
    rt: FakeRuntime[Shop, Recognizing], *, foreign: bool
) -> None:
    rt.warehouse.foreign = foreign
    rt.warehouse.after = [Uncertain("cut")]
    arrive(rt, "call", 1)
    deliver(rt)
    deliver(rt)
    assert rt.warehouse.asked[0] == ("call", False)
    assert (rt.state("1")["state"], len(rt.warehouse.created)) == ("held" if foreign else "delivered", 1)


def test_content_that_changed_since_it_was_sent_is_compared_as_such(rt: FakeRuntime[Shop, Recognizing]) -> None:
    lose_the_answer(rt)
    arrive(rt, "ring", 2)
    assert rt.state("1")["state"] == "in_doubt"
    tasks.doubt.settle_doubts(rt, "t")
    assert rt.warehouse.asked == []  # it was asked for a moment ago
    rt.redis.zadd("intake:lane:t:doubt", {"shop:1": 1})
    rt.warehouse.foreign = True
    tasks.doubt.settle_doubts(rt, "t")
    assert rt.warehouse.asked == [("ring", True)]
    assert (rt.state("1")["state"], rt.state("1")["detail"]) == ("in_doubt", "another order has this reference")
    rt.warehouse.foreign = False
    tasks.doubt.settle_doubts(rt, "t")
    assert rt.state("1")["state"] == "delivered"


def test_what_an_older_ledger_sent_may_have_changed(rt: FakeRuntime[Shop, Recognizing]) -> None:
    arrive(rt, "call", 1)
    deliver(rt)
    rt.redis.flushall()
    arrive(rt, "ring", 2)
    deliver(rt)
    assert (rt.warehouse.asked, len(rt.warehouse.created)) == ([("ring", True)], 1)
