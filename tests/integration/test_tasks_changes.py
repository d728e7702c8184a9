"""The tasks with changed, held, pending, bulk and echoed orders, on a real Redis."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

import tasks.deliver
import tasks.poll
from support.fake_runtime import Bulky, Editable, FakeRuntime, Shop, Slow, Warehouse
from support.orders import order
from tasks.attempt import attempt
from worker.errors import Held, Rejected, Unavailable, Uncertain
from worker.settings.routes import Route
from worker.store.orders.drains import Drain
from worker.systems.target import Receipt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

    from worker.store.orders.drains import Claim


def poll(rt: FakeRuntime, *records: dict[str, Any]) -> None:
    rt.shop.pages = [*rt.shop.pages, list(records)]
    tasks.poll.poll(rt, "shop", rt.nudge)


def deliver(rt: FakeRuntime) -> None:
    tasks.deliver.deliver(rt, "t", rt.nudge)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every retry due at once."""
    monkeypatch.setattr("tasks.attempt.backoff", lambda _: 0.0)


def test_a_change_reaches_a_target_that_supports_updates(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]), Editable())
    poll(rt, {"id": 1, "version": 1})
    deliver(rt)
    poll(rt, {"id": 1, "version": 2, "note": "changed"})
    deliver(rt)
    assert isinstance(rt.warehouse, Editable)
    assert rt.warehouse.updated == [("1", "1", "changed")]
    assert len(rt.warehouse.created) == 1


def test_a_lost_update_response_is_retried_and_creates_nothing(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]), Editable())
    poll(rt, {"id": 1, "version": 1})
    deliver(rt)
    rt.warehouse.trouble = [Uncertain("cut")]
    poll(rt, {"id": 1, "version": 2, "note": "changed"})
    deliver(rt)
    assert isinstance(rt.warehouse, Editable)
    assert rt.warehouse.updated == [("1", "1", "changed")]
    assert (len(rt.warehouse.created), rt.state("1")["state"]) == (1, "delivered")


def test_a_change_is_only_counted_if_the_target_has_no_updates_or_the_route_ignores_changes(redis: Redis) -> None:
    ignoring = (Route(source="shop", targets=("t",), on_change="ignore"),)
    for rt in (FakeRuntime(redis, Shop([]), Warehouse()), FakeRuntime(redis, Shop([]), Editable(), routes=ignoring)):
        redis.flushall()
        poll(rt, {"id": 1, "version": 1})
        deliver(rt)
        poll(rt, {"id": 1, "version": 2, "note": "changed"})
        deliver(rt)
        assert rt.lanes["t"].status()["accepted_changed"] == 1
        assert rt.state("1")["state"] == "delivered"


def test_a_released_change_is_held_again_with_a_remedy_if_the_target_has_no_updates(redis: Redis) -> None:
    holding = (Route(source="shop", targets=("t",), on_change="hold"),)
    rt = FakeRuntime(redis, Shop([]), routes=holding)
    poll(rt, {"id": 1, "version": 1})
    deliver(rt)
    poll(rt, {"id": 1, "version": 2, "note": "changed"})
    rt.lanes["t"].release(["shop:1"], "send")
    deliver(rt)
    assert rt.state("1")["state"] == "held"
    assert "intake release t shop:1 --drop" in rt.state("1")["detail"]


def test_an_order_without_a_mapping_is_held_and_the_others_continue(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]))
    rt.warehouse.trouble = [Held("no product for sku A"), None]
    poll(rt, {"id": 1}, {"id": 2})
    deliver(rt)
    assert (rt.state("1")["state"], rt.state("2")["state"]) == ("held", "delivered")
    assert rt.state("1")["detail"] == "no product for sku A"
    rt.lanes["t"].release(["shop:1"], "send")
    deliver(rt)
    assert rt.state("1")["state"] == "delivered"


def test_each_order_of_a_bulk_call_has_its_own_outcome(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]), Bulky())
    poll(rt, {"id": 1}, {"id": 2, "note": "bad"}, {"id": 3}, {"id": 4})
    deliver(rt)
    assert isinstance(rt.warehouse, Bulky)
    states = [rt.state(str(n))["state"] for n in (1, 2, 3, 4)]
    assert states == ["delivered", "dead", "delivered", "delivered"]
    assert sorted(reference for reference, _ in rt.warehouse.created) == ["1", "3", "4"]
    assert [len(call) for call in rt.warehouse.calls] == [3]  # the fourth order is sent alone


def test_a_bulk_order_without_a_response_is_looked_up_alone_and_not_duplicated(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]), Bulky())
    poll(rt, {"id": 1}, {"id": 2, "note": "lost"}, {"id": 3, "note": "lost"})
    deliver(rt)
    assert [rt.state(str(n))["state"] for n in (1, 2, 3)] == ["delivered"] * 3
    assert sorted(reference for reference, _ in rt.warehouse.created) == ["1", "2", "3"]
    assert rt.warehouse.finds == 2


def test_a_bulk_call_that_is_rejected_as_a_whole_is_split_into_single_orders(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]), Bulky())
    poll(rt, {"id": 1}, {"id": 2, "note": "poison"}, {"id": 3})
    deliver(rt)
    assert [rt.state(str(n))["state"] for n in (1, 2, 3)] == ["delivered", "dead", "delivered"]


def test_a_pending_order_is_sent_once_and_resumed_until_it_exists(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]), Slow())
    poll(rt, {"id": 1})
    deliver(rt)
    assert isinstance(rt.warehouse, Slow)
    assert rt.warehouse.taken == {"1": [2]}
    assert rt.state("1")["state"] == "delivered"
    assert len(rt.warehouse.created) == 1


def test_an_order_rejected_in_a_later_step_is_dead_with_the_reason(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]), Slow())
    assert isinstance(rt.warehouse, Slow)
    rt.warehouse.refuse = True
    poll(rt, {"id": 1})
    deliver(rt)
    assert (rt.state("1")["state"], rt.state("1")["detail"]) == ("dead", "refused later")


def test_a_lost_response_of_a_target_that_cannot_settle_it_ends_in_doubt_and_is_never_resent(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]), Slow())
    rt.warehouse.after = [Uncertain("cut")]
    poll(rt, {"id": 1})
    deliver(rt)
    assert isinstance(rt.warehouse, Slow)
    assert rt.state("1")["state"] == "in_doubt"
    assert rt.warehouse.taken == {"1": [0]}


def test_a_lost_response_is_settled_when_the_target_lists_the_order_later(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]), Slow())
    rt.warehouse.after = [Uncertain("cut")]
    poll(rt, {"id": 1})
    rt.warehouse.trouble = []
    with rt.lanes["t"].drain() as drain:
        (claim,) = drain.claim(1)
        drain.settle([(claim, attempt(rt.warehouse, claim))])
    rt.warehouse.created.append(("1", order("1")))
    deliver(rt)
    assert rt.state("1")["state"] == "delivered"


def test_after_a_loss_of_the_ledger_a_target_that_cannot_settle_gets_its_missing_orders(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]), Slow())
    poll(rt, {"id": 1})
    deliver(rt)
    redis.flushall()
    rt.shop.pages = []
    poll(rt, {"id": 1}, {"id": 2})
    deliver(rt)
    assert sorted(reference for reference, _ in rt.warehouse.created) == ["1", "2"]


def test_orders_for_a_target_that_cannot_settle_are_claimed_one_at_a_time(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]), Slow())
    poll(rt, {"id": 1}, {"id": 2}, {"id": 3})
    claimed: list[int] = []
    claim = Drain.claim

    def counting(drain: Drain, most: int, **calls: int) -> list[Claim]:
        claims = claim(drain, most, **calls)
        claimed.append(len(claims))
        return claims

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Drain, "claim", counting)
        deliver(rt)
    assert set(claimed) == {1, 0}


class Referring(Shop):
    """A shop whose orders carry a target's reference in `source_id`."""

    reference_field = "source_id"


class Numbered(Shop):
    """A shop whose orders have a target's reference as their id."""

    reference_field = "external_id"


class Plain(Warehouse):
    """A target that accepts only letters, digits and hyphens in references."""

    alphabet = "A-Za-z0-9-"


def test_an_echo_is_not_delivered(redis: Redis) -> None:
    routes = (
        Route(source="shop", targets=("t",), reference="shop:{external_id}"),
        Route(source="web", targets=("crm",), reference="web:{external_id}"),
    )
    rt = FakeRuntime(redis, Referring([]), routes=routes, mirrored={"crm": Warehouse()})
    poll(rt, {"id": 1, "source_id": "web:7"}, {"id": 2, "source_id": "webshop-7"}, {"id": 3})
    deliver(rt)
    assert sorted(reference for reference, _ in rt.warehouse.created) == ["shop:2", "shop:3"]


def test_references_are_encoded_in_the_alphabet_of_the_target_and_stay_distinct(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]), Plain())
    poll(rt, {"id": "a/1"}, {"id": "a_1"}, {"id": "a-1"})
    deliver(rt)
    assert sorted(reference for reference, _ in rt.warehouse.created) == ["a-1", "a_2F1", "a__1"]


def test_an_echo_is_recognised_in_the_alphabet_of_the_target(redis: Redis) -> None:
    routes = (
        Route(source="shop", targets=("t",), reference="shop:{external_id}"),
        Route(source="web", targets=("oc",), reference="web:{external_id}"),
    )
    rt = FakeRuntime(redis, Numbered([]), routes=routes, mirrored={"oc": Plain()})
    poll(rt, {"id": "web_3A7"}, {"id": "web-7"})
    deliver(rt)
    assert [reference for reference, _ in rt.warehouse.created] == ["shop:web-7"]


def test_an_order_that_its_route_no_longer_accepts_is_withheld_until_it_does(redis: Redis) -> None:
    routes = (Route(source="shop", targets=("t",), only={"store": ["nl"]}),)
    rt = FakeRuntime(redis, Shop([]), routes=routes)
    poll(rt, {"id": 1, "store": "nl", "version": 1}, {"id": 2, "store": "be", "version": 1})
    poll(rt, {"id": 1, "store": "be", "version": 2})
    deliver(rt)
    assert rt.warehouse.created == []
    assert rt.ledger.entries(["t"], "shop:2") == []
    poll(rt, {"id": 1, "store": "nl", "version": 3})
    deliver(rt)
    assert [reference for reference, _ in rt.warehouse.created] == ["1"]


def test_an_unwanted_order_without_a_reference_is_no_dead_letter(redis: Redis) -> None:
    routes = (Route(source="shop", targets=("t",), reference="{source_id}", only={"store": ["nl"]}),)
    rt = FakeRuntime(redis, Shop([]), routes=routes)
    poll(rt, {"id": 1, "store": "be"}, {"id": 2, "store": "nl"})
    assert list(rt.cursors.letters("shop")) == ["2"]


def test_a_rejected_search_leaves_the_order_in_doubt(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]), Slow())
    rt.warehouse.after = [Uncertain("cut")]
    rt.warehouse.before_find = _refuses
    poll(rt, {"id": 1})
    deliver(rt)
    assert rt.state("1")["state"] == "in_doubt"


def test_an_unavailable_search_is_repeated(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]))
    rt.warehouse.after = [Uncertain("cut")]
    asked: list[str] = []

    def flaky(reference: str) -> None:
        asked.append(reference)
        if len(asked) == 1:
            raise Unavailable("down")

    rt.warehouse.before_find = flaky
    poll(rt, {"id": 1})
    deliver(rt)
    assert (len(asked), len(rt.warehouse.created)) == (3, 1)


def _refuses(_: str) -> None:
    raise Rejected("the list does not show order numbers")


def test_a_failed_bulk_call_counts_as_one_failure_of_the_lane(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]), Bulky())
    assert isinstance(rt.warehouse, Bulky)
    rt.warehouse.away = [Uncertain("cut"), None]
    poll(rt, *({"id": n} for n in range(1, 4)))
    deliver(rt)
    assert [rt.state(str(n))["state"] for n in (1, 2, 3)] == ["delivered"] * 3
    assert rt.warehouse.finds == 3


def test_each_failed_bulk_call_counts_as_a_failure_of_the_lane(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]), Bulky())
    assert isinstance(rt.warehouse, Bulky)
    rt.warehouse.away = [Unavailable("down")] * 3
    poll(rt, *({"id": n} for n in range(1, 4)))
    deliver(rt)
    assert [rt.state(str(n))["state"] for n in (1, 2, 3)] == ["delivered"] * 3
    assert rt.lanes["t"].status()["retried"] == 9


class Walked(Slow):
    """A target that can search for an order only by listing all orders."""

    walks = True

    def __init__(self) -> None:
        super().__init__()
        self.walked = 0

    def everything(self) -> Iterator[tuple[str, Receipt]]:
        self.walked += 1
        for number, (reference, _) in enumerate(self.created, 1):
            yield reference, Receipt(str(number), existed=True)


def test_after_a_loss_of_the_ledger_a_target_without_search_is_listed_once_for_all_orders(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]), Walked())
    assert isinstance(rt.warehouse, Walked)
    poll(rt, *({"id": n} for n in range(1, 6)))
    deliver(rt)
    assert (rt.warehouse.walked, rt.warehouse.finds) == (0, 5)  # the ledger is new: orders in flight may still arrive
    for again in (1, 2):
        redis.flushall()
        redis.set("intake:epoch", int(time.time() * 1000) - 70_000 - again)
        rt.shop.pages = []
        poll(rt, *({"id": n} for n in range(1, 9)))
        deliver(rt)
        assert rt.warehouse.walked == again
    assert sorted(reference for reference, _ in rt.warehouse.created) == [str(n) for n in range(1, 9)]
    assert rt.warehouse.finds == 5


def test_an_order_that_cannot_be_settled_ends_in_doubt_and_does_not_close_its_lane(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]), Slow())
    rt.lanes["t"].max_tries = 12
    rt.warehouse.after = [Uncertain("cut")]
    poll(rt, {"id": 1})
    deliver(rt)
    assert rt.state("1")["state"] == "in_doubt"
    assert int(rt.redis.hget("intake:lane:t", "failures") or 0) <= 1
