"""Transforms of routes, from the poll to the target, on a real Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import tasks.deliver
import tasks.poll
from schemas.transform import Hold, Skip
from support.fake_runtime import Editable, FakeRuntime, Shop, Warehouse
from tasks.release import release
from worker.errors import Unavailable, Uncertain
from worker.settings.routes import Route
from worker.settings.transforms import Transform

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from schemas.order import Order
    from worker.errors import IntakeError


class Rules:
    """A transform that the test changes between two polls."""

    def __init__(self) -> None:
        self.result: Callable[[Order], object] = lambda order: order

    def __call__(self, order: Order) -> object:
        return self.result(order)


def noted(text: str) -> Callable[[Order], object]:
    return lambda order: order.model_copy(update={"note": text})


def runtime(redis: Redis, rules: Rules, **given: Any) -> FakeRuntime:
    routes = (Route(source="shop", targets=("t",), transform=Transform("rules:f", rules), **given),)
    return FakeRuntime(redis, Shop([]), Editable(), routes=routes)


def poll(rt: FakeRuntime, *records: dict[str, Any]) -> None:
    rt.shop.pages = [*rt.shop.pages, list(records)]
    tasks.poll.poll(rt, "shop", rt.nudge)


def deliver(rt: FakeRuntime) -> None:
    tasks.deliver.deliver(rt, "t", rt.nudge)


def created(rt: FakeRuntime) -> dict[str, str | None]:
    return {reference: order.note for reference, order in rt.warehouse.created}


def updated(rt: FakeRuntime) -> list[tuple[str, str, str | None]]:
    assert isinstance(rt.warehouse, Editable)
    return rt.warehouse.updated


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every retry due at once."""
    monkeypatch.setattr("tasks.attempt.backoff", lambda _: 0.0)


def test_each_target_gets_what_the_transform_of_its_route_makes(redis: Redis) -> None:
    routes = (
        Route(source="shop", targets=("t",), transform=Transform("rules:a", noted("a"))),
        Route(source="shop", targets=("crm",), transform=Transform("rules:b", noted("b"))),
    )
    rt = FakeRuntime(redis, Shop([]), routes=routes, mirrored={"crm": Warehouse()})
    poll(rt, {"id": 1})
    deliver(rt)
    assert created(rt) == {"1": "a"}
    states = [rt.ledger.standing(target, "shop:1") for target in ("t", "crm")]
    assert states[0].fingerprint != states[1].fingerprint


def test_a_transform_that_fails_stops_neither_the_feed_nor_the_other_route(redis: Redis) -> None:
    def fails(order: Order) -> object:
        return order if order.external_id != "2" else {"Bob": 1}["Ada"]

    routes = (
        Route(source="shop", targets=("t",), transform=Transform("rules:f", fails)),
        Route(source="shop", targets=("crm",)),
    )
    rt = FakeRuntime(redis, Shop([]), routes=routes, mirrored={"crm": Warehouse()})
    poll(rt, {"id": 1}, {"id": 2}, {"id": 3})
    deliver(rt)
    assert set(created(rt)) == {"1", "3"}
    letters = rt.cursors.letters("shop")
    assert list(letters) == ["2"]
    assert "transform rules:f failed with KeyError" in str(letters)
    assert "Ada" not in str(letters)
    assert rt.ledger.standing("crm", "shop:2").state == "queued"
    assert rt.cursors.status("shop")["value"] == "1"


def test_a_skipped_order_is_not_accepted(redis: Redis) -> None:
    rules = Rules()
    rules.result = lambda order: Skip("a gift card") if order.external_id == "2" else order
    rt = runtime(redis, rules)
    poll(rt, {"id": 1}, {"id": 2})
    deliver(rt)
    assert set(created(rt)) == {"1"}
    assert rt.ledger.entries(["t"], "shop:2") == []


def test_a_held_order_waits_with_its_reason_and_is_sent_after_its_release(redis: Redis) -> None:
    rules = Rules()
    rules.result = lambda _: Hold("the sku MUG is unknown")
    rt = runtime(redis, rules)
    poll(rt, {"id": 1})
    deliver(rt)
    state = rt.state("1")
    assert (state["state"], state["code"], state["detail"]) == ("held", "transform", "the sku MUG is unknown")
    assert created(rt) == {}
    poll(rt, {"id": 1})
    assert rt.lanes["t"].release(["shop:1"], "send") == 1
    deliver(rt)
    assert set(created(rt)) == {"1"}
    poll(rt, {"id": 1})
    assert rt.state("1")["state"] == "delivered"


def test_a_held_order_recovers_when_the_transform_no_longer_holds_it(redis: Redis) -> None:
    rules = Rules()
    rules.result = lambda _: Hold("unknown")
    rt = runtime(redis, rules)
    poll(rt, {"id": 1})
    rules.result = noted("known")
    poll(rt, {"id": 1})
    deliver(rt)
    assert created(rt) == {"1": "known"}


def test_an_order_that_waits_is_held_when_the_transform_holds_its_change(redis: Redis) -> None:
    rules = Rules()
    rt = runtime(redis, rules)
    poll(rt, {"id": 1, "version": 1})
    rules.result = lambda _: Hold("check it")
    poll(rt, {"id": 1, "version": 2, "note": "changed"})
    deliver(rt)
    assert (created(rt), rt.state("1")["detail"]) == ({}, "check it")


@pytest.mark.parametrize("error", [Unavailable("away"), Uncertain("cut")])
def test_an_order_that_is_being_sent_is_held_as_soon_as_the_attempt_is_settled(
    redis: Redis, error: IntakeError
) -> None:
    rules = Rules()
    rt = runtime(redis, rules)
    poll(rt, {"id": 1, "version": 1})

    def hold_meanwhile(*_: object) -> None:
        rules.result = lambda _: Hold("check it")
        poll(rt, {"id": 1, "version": 2, "note": "changed"})
        raise error

    rt.warehouse.create = hold_meanwhile  # type: ignore[method-assign, assignment]
    deliver(rt)
    assert (rt.state("1")["state"], rt.state("1")["detail"]) == ("held", "check it")


def test_a_change_of_the_transform_is_an_update_like_others(redis: Redis) -> None:
    rules = Rules()
    rules.result = noted("first")
    rt = runtime(redis, rules)
    poll(rt, {"id": 1, "version": 1})
    deliver(rt)
    rules.result = noted("second")
    poll(rt, {"id": 1, "version": 1})
    deliver(rt)
    assert (created(rt), updated(rt)) == ({"1": "first"}, [("1", "1", "second")])


@pytest.mark.parametrize("left_out", [Skip("not any more"), Hold("not any more")])
def test_a_delivered_order_whose_change_is_left_out_or_held_waits_for_a_person(
    redis: Redis, left_out: Skip | Hold
) -> None:
    rules = Rules()
    rt = runtime(redis, rules)
    poll(rt, {"id": 1, "version": 1})
    deliver(rt)
    rules.result = lambda _: left_out
    poll(rt, {"id": 1, "version": 2, "note": "changed"})
    deliver(rt)
    state = rt.state("1")
    assert (state["state"], state["code"]) == ("held", "transform")
    assert state["detail"].endswith("not any more")
    assert updated(rt) == []


def test_the_change_of_an_order_that_left_the_filter_is_transformed(redis: Redis) -> None:
    rules = Rules()
    rules.result = lambda order: order.model_copy(update={"note": f"{order.status.value} by rules"})
    rt = runtime(redis, rules, only={"status": ["new"]})
    poll(rt, {"id": 1, "version": 1})
    deliver(rt)
    poll(rt, {"id": 1, "version": 2, "status": "processing"})
    deliver(rt)
    assert updated(rt) == [("1", "1", "processing by rules")]


def test_a_release_calls_the_transform_again(redis: Redis) -> None:
    rules = Rules()
    rules.result = lambda _: Hold("the sku MUG is unknown")
    rt = runtime(redis, rules)
    poll(rt, {"id": 1}, {"id": 2})
    rules.result = lambda order: noted("known")(order) if order.external_id == "1" else Hold("still unknown")
    assert release(rt, "t", ["shop:1", "shop:2"], "send") == 2
    deliver(rt)
    assert created(rt) == {"1": "known", "2": None}


def test_a_release_sends_the_order_that_the_transform_named(redis: Redis) -> None:
    rules = Rules()
    rules.result = lambda order: Hold("a large order", order.model_copy(update={"note": "approved"}))
    rt = runtime(redis, rules)
    poll(rt, {"id": 1})
    assert release(rt, "t", ["shop:1"], "send") == 1
    deliver(rt)
    assert created(rt) == {"1": "approved"}


def test_dropping_what_a_transform_holds_sends_nothing(redis: Redis) -> None:
    rules = Rules()
    rules.result = lambda _: Hold("unknown")
    rt = runtime(redis, rules)
    poll(rt, {"id": 1})
    rules.result = noted("known")
    assert release(rt, "t", ["shop:1"], "drop") == 1
    deliver(rt)
    assert (created(rt), rt.state("1")["state"]) == ({}, "dead")
