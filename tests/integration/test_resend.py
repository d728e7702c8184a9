"""Resending a delivered order: it is queued once, and not at all if the order changed in the meantime."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.orders import order
from worker.store.limits.limiter import Scope
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome
from worker.store.orders.lanes import Lane
from worker.store.orders.ledger import Ledger, Standing

if TYPE_CHECKING:
    from redis import Redis

DONE = Outcome("delivered", extra="77")
DELIVERY = Delivery(order("1"), "R1")
KEY = "shop:1"


@pytest.fixture
def ledger(redis: Redis) -> Ledger:
    return Ledger(redis, lease=5)


@pytest.fixture
def lane(redis: Redis, ledger: Ledger) -> Lane:
    """Return a lane with one delivered order."""
    lane = Lane(redis, "t", Scope(redis, "dropday:t", ()), lease=5, heartbeat=1, max_tries=1, concurrency=4)
    ledger.accept("t", [DELIVERY], "test")
    settle(lane, DONE)
    return lane


def settle(lane: Lane, outcome: Outcome) -> None:
    with lane.drain() as drain:
        (claim,) = drain.claim(1)
        drain.settle([(claim, outcome)])
        drain.leave()


def record(ledger: Ledger) -> dict[str, str]:
    return ledger.entries(["t"], KEY)[0].record


def test_a_missing_order_is_looked_up_before_it_is_created(ledger: Ledger, lane: Lane) -> None:
    seen = ledger.standing("t", KEY)
    assert (seen.state, bool(seen.done)) == ("delivered", True)
    assert ledger.resend("t", DELIVERY, "create", seen=seen, source="reconcile shop") == "queued"
    with lane.drain() as drain:
        (claim,) = drain.claim(1)
        assert (claim.uncertain, claim.is_update, claim.target_id, claim.reference) == ("ask", False, "", "R1")
        assert claim.payload
        assert drain.settle([(claim, DONE)]) == ["delivered"]
    assert record(ledger)["target_id"] == "77"


def test_a_second_resend_changes_nothing(ledger: Ledger, lane: Lane) -> None:
    seen = ledger.standing("t", KEY)
    ledger.resend("t", DELIVERY, "create", seen=seen, source="reconcile shop")
    before = record(ledger)
    assert ledger.resend("t", DELIVERY, "create", seen=seen, source="reconcile shop") == "moved"
    assert record(ledger) == before
    settle(lane, DONE)
    assert ledger.resend("t", DELIVERY, "create", seen=seen, source="reconcile shop") == "moved"
    assert lane.status()["queued"] == 0


def test_a_different_order_is_sent_as_a_change_with_its_current_content(ledger: Ledger, lane: Lane) -> None:
    changed = Delivery(order("1", note="Ring twice"), "R1")
    seen = ledger.standing("t", KEY)
    assert ledger.resend("t", changed, "update", seen=seen, source="reconcile shop", target_id="77") == "queued"
    with lane.drain() as drain:
        (claim,) = drain.claim(1)
        assert (claim.is_update, claim.target_id, claim.uncertain) == (True, "77", "")
        assert "Ring twice" in claim.payload
        drain.settle([(claim, Outcome("updated", extra="77"))])
    assert record(ledger)["fingerprint"] == changed.order.fingerprint()


def test_an_order_that_changed_since_the_comparison_is_not_resent(ledger: Ledger, lane: Lane) -> None:
    seen = ledger.standing("t", KEY)
    newer = Delivery(order("1", note="newer"), "R1")
    ledger.accept("t", [newer], "poll shop", on_change="update")
    settle(lane, Outcome("updated", extra="77"))
    assert ledger.resend("t", DELIVERY, "update", seen=seen, source="reconcile shop", target_id="77") == "moved"
    assert record(ledger)["fingerprint"] == newer.order.fingerprint()


def test_a_change_recorded_meanwhile_is_not_overwritten_by_a_resend(ledger: Ledger, lane: Lane) -> None:
    seen = ledger.standing("t", KEY)
    newer = Delivery(order("1", note="newer"), "R1")
    ledger.accept("t", [newer], "poll shop", on_change="ignore")
    assert ledger.standing("t", KEY)._replace(fingerprint="") == seen._replace(fingerprint="")
    assert ledger.resend("t", DELIVERY, "create", seen=seen, source="reconcile shop") == "moved"
    assert lane.status()["queued"] == 0


@pytest.mark.parametrize("outcome", [Outcome("doubt", "uncertain"), Outcome("hold", "held")])
def test_orders_that_wait_for_an_operator_are_not_resent(redis: Redis, outcome: Outcome) -> None:
    redis.flushall()
    ledger = Ledger(redis, lease=5)
    lane = Lane(redis, "t", Scope(redis, "dropday:t", ()), lease=5, heartbeat=1, max_tries=1, concurrency=4)
    ledger.accept("t", [DELIVERY], "test")
    settle(lane, outcome)
    seen = ledger.standing("t", KEY)
    assert ledger.resend("t", DELIVERY, "create", seen=seen, source="reconcile shop") == "moved"
    assert lane.status()["queued"] == 0


def test_a_resent_dead_order_is_no_longer_dead(ledger: Ledger, lane: Lane, redis: Redis) -> None:
    redis.flushall()
    ledger.accept("t", [DELIVERY], "test")
    settle(lane, Outcome("bury", "rejected", "status 422"))
    assert lane.status()["dead_now"] == 1
    seen = ledger.standing("t", KEY)
    assert ledger.resend("t", DELIVERY, "create", seen=seen, source="reconcile shop") == "queued"
    assert (lane.status()["dead_now"], lane.status()["queued"]) == (0, 1)
    assert "code" not in record(ledger)


def test_a_dead_order_that_may_have_been_sent_stays_uncertain(ledger: Ledger, lane: Lane, redis: Redis) -> None:
    redis.flushall()
    ledger.accept("t", [DELIVERY], "test")
    settle(lane, Outcome("bury", "rejected", "status 422"))
    redis.hset(f"{lane.keys.order}{KEY}", mapping={"uncertain": "1", "code": "poison"})
    ledger.resend("t", DELIVERY, "create", seen=ledger.standing("t", KEY), source="reconcile shop")
    assert (record(ledger)["uncertain"], record(ledger)["lost"]) == ("1", "2")


def test_an_order_that_the_ledger_lost_is_restored_from_the_target(ledger: Ledger, lane: Lane, redis: Redis) -> None:
    redis.flushall()
    seen = ledger.standing("t", KEY)
    assert seen == Standing()
    assert ledger.resend("t", DELIVERY, "update", seen=seen, source="reconcile shop", target_id="77") == "queued"
    with lane.drain() as drain:
        (claim,) = drain.claim(1)
        assert (claim.is_update, claim.target_id) == (True, "77")


def test_a_resend_without_a_version_keeps_the_known_version(ledger: Ledger, lane: Lane, redis: Redis) -> None:
    redis.flushall()
    ledger.accept("t", [Delivery(order("1", version=900), "R1")], "test")
    settle(lane, DONE)
    ledger.resend("t", DELIVERY, "create", seen=ledger.standing("t", KEY), source="reconcile shop")
    assert record(ledger)["version"] == "900"
