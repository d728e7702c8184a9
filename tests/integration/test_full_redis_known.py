"""A Redis that is full takes what needs no more room: cancellations, and newer versions of orders that wait."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

import tasks.accept
import tasks.deliver
import tasks.poll
from support.fake_runtime import Editable, FakeRuntime, Shop
from support.orders import order
from support.steps import settle
from worker.errors import StoreFull
from worker.settings.routes import Route
from worker.store.orders.delivery import Delivery, OnChange
from worker.store.orders.drains import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

STOP: Final[dict[str, Any]] = {"status": "cancelled"}


@pytest.fixture
def rt(redis: Redis) -> Iterator[FakeRuntime[Shop, Editable]]:
    routes = (Route(source="shop", targets=("t",), on_change="update"),)
    yield FakeRuntime(redis, Shop([]), Editable(), routes=routes)
    redis.config_set("maxmemory", 0)


@contextmanager
def filled(redis: Redis) -> Iterator[None]:
    redis.config_set("maxmemory", 1)
    yield
    redis.config_set("maxmemory", 0)


def bring(rt: FakeRuntime[Any, Any], state: str) -> None:
    """Let the ledger have order 1 in this state."""
    rt.ledger.accept("t", [Delivery(order("1"), "R1")], "test")
    if state == "withdrawn":
        rt.ledger.accept("t", [Delivery(order("1", version=1), "R1", "no")], "test")
    outcomes = {
        "delivered": Outcome("delivered", extra="T1"),
        "dead": Outcome("bury", "rejected", "no"),
        "held": Outcome("hold", "held", "no"),
    }
    if state in outcomes:
        settle(rt, outcomes[state])
    assert rt.state("1")["state"] == state


def newer(**fields: Any) -> Any:
    return order("1", version=2, note="newer", **fields)


@pytest.mark.parametrize(
    ("state", "left_out", "fields", "on_change", "result"),
    [
        ("queued", "", {}, "update", "replaced"),
        ("queued", "cancelled", STOP, "update", "withdrawn"),
        ("queued", "too small", {}, "update", "withdrawn"),
        ("dead", "", {}, "update", "revived"),
        ("held", "", {}, "update", "revived"),
        ("held", "cancelled", STOP, "update", "withdrawn"),
        ("delivered", "cancelled", STOP, "update", "updating"),
        ("delivered", "cancelled", STOP, "hold", "held"),
        ("delivered", "", {}, "ignore", "changed"),
        ("withdrawn", "cancelled", STOP, "update", "unwanted"),
        ("delivered", "", {}, "update", "full"),
        ("delivered", "", {}, "hold", "full"),
        ("withdrawn", "", {}, "update", "full"),
    ],
)
def test_a_change_is_taken_if_it_needs_no_room(  # noqa: PLR0913, PLR0917  # one row of the table
    rt: FakeRuntime[Any, Any], state: str, left_out: str, fields: dict[str, Any], on_change: OnChange, result: str
) -> None:
    bring(rt, state)
    before = rt.state("1")
    with filled(rt.redis):
        deliveries = [Delivery(newer(**fields), "R1", left_out)]
        if result != "full":
            assert rt.ledger.accept("t", deliveries, "test", on_change=on_change).results == (result,)
            assert rt.state("1")["version"] == "2"
            return
        with pytest.raises(StoreFull):
            rt.ledger.accept("t", deliveries, "test", on_change=on_change)
    assert rt.state("1") == before
    assert rt.ledger.accept("t", deliveries, "test", on_change=on_change).results != ("full",)


def test_a_page_of_known_orders_moves_the_cursor(rt: FakeRuntime[Any, Any]) -> None:
    bring(rt, "queued")
    rt.shop.pages = [[{"id": "1", "version": 2, "note": "newer"}]]
    with filled(rt.redis):
        tasks.poll.poll(rt, "shop", rt.nudge)
        assert rt.cursors.status("shop")["value"] == "1"
        tasks.deliver.deliver(rt, "t", rt.nudge, idle=0.1)
    assert [(reference, sent.note) for reference, sent in rt.warehouse.created] == [("R1", "newer")]


def test_a_cancellation_beside_a_new_order_is_taken_and_the_page_is_read_again(rt: FakeRuntime[Any, Any]) -> None:
    bring(rt, "queued")
    rt.shop.pages = [[{"id": "2"}, {"id": "1", "version": 2, **STOP}]]
    with filled(rt.redis):
        tasks.poll.poll(rt, "shop", rt.nudge)
        assert "value" not in rt.cursors.status("shop")
        tasks.deliver.deliver(rt, "t", rt.nudge, idle=0.1)
    assert rt.warehouse.created == []
    assert rt.state("1")["state"] == "withdrawn"
    tasks.poll.poll(rt, "shop", rt.nudge, gap=-1)
    tasks.deliver.deliver(rt, "t", rt.nudge, idle=0.1)
    assert [sent.external_id for _, sent in rt.warehouse.created] == ["2"]


def test_each_target_takes_what_needs_no_room(
    rt: FakeRuntime[Any, Any], redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let the first of two targets have no room for a new order."""
    asked: list[str] = []
    monkeypatch.setattr(tasks.accept, "route_order", lambda *_: [(name, Delivery(order("1"), "R1")) for name in "ab"])
    monkeypatch.setattr(rt, "on_change", lambda *_: "ignore")
    rt.targets = dict.fromkeys("tab", rt.warehouse)
    accept = rt.ledger.accept

    def note(target: str, *values: Any, **named: Any) -> Any:
        asked.append(target)
        return accept(target, *values, **named)

    monkeypatch.setattr(rt.ledger, "accept", note)
    with filled(redis), pytest.raises(StoreFull):
        tasks.accept.accept(rt, [order("1")], "poll shop", rt.nudge)
    assert asked == ["a", "b"]
