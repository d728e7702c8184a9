"""Changed, held and pending orders in the ledger and the lane, on a real Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.orders import order
from worker.store.limits.limiter import Scope
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Claim, Drain, Outcome
from worker.store.orders.lanes import Lane
from worker.store.orders.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

    from worker.store.orders.delivery import OnChange

DONE = Outcome("delivered", extra="T1")


@pytest.fixture
def ledger(redis: Redis) -> Ledger:
    return Ledger(redis, lease=5.0)


@pytest.fixture
def lane(redis: Redis) -> Lane:
    return Lane(redis, "t", Scope(redis, "t", ()), lease=5.0, heartbeat=1.0, max_tries=3, concurrency=2)


@pytest.fixture
def drain(lane: Lane) -> Iterator[Drain]:
    with lane.drain() as drain:
        yield drain


def accept(ledger: Ledger, version: int, on_change: OnChange = "update", *, wanted: bool = True) -> str:
    """Accept this version of the order, with the note "v{version}"."""
    delivery = Delivery(order(version=version, note=f"v{version}"), "R1", "" if wanted else "test")
    return ledger.accept("t", [delivery], "test", on_change=on_change).results[0]


def claim_one(drain: Drain) -> Claim:
    (claim,) = drain.claim(10)
    return claim


def state(ledger: Ledger) -> dict[str, str]:
    return ledger.entries(["t"], "shop:1")[0].record


def history(ledger: Ledger) -> list[str]:
    return [event for _, event in ledger.entries(["t"], "shop:1")[0].history]


def test_a_change_after_delivery_is_sent_as_an_update_under_the_targets_own_id(ledger: Ledger, drain: Drain) -> None:
    accept(ledger, 1)
    claim = claim_one(drain)
    assert not claim.is_update
    drain.settle([(claim, DONE)])
    assert accept(ledger, 2) == "updating"
    claim = claim_one(drain)
    assert (claim.is_update, claim.target_id, "v2" in claim.payload) == (True, "T1", True)
    assert drain.settle([(claim, Outcome("updated", extra="T1"))]) == ["delivered"]
    assert state(ledger)["sent"] == state(ledger)["fingerprint"]
    assert accept(ledger, 2) == "same"
    assert accept(ledger, 1) == "stale"


def test_the_update_wakes_the_lane(ledger: Ledger, lane: Lane) -> None:
    accept(ledger, 1)
    with lane.drain() as drain:
        drain.settle([(claim_one(drain), DONE)])
        assert drain.claim(1) == []
    changed = ledger.accept("t", [Delivery(order(version=2, note="x"), "R1")], "test", on_change="update")
    assert changed.nudge


def test_a_change_of_a_claimed_order_follows_as_an_update(ledger: Ledger, drain: Drain) -> None:
    accept(ledger, 1)
    claim = claim_one(drain)
    assert accept(ledger, 2) == "replaced"
    assert drain.settle([(claim, DONE)]) == ["queued"]
    claim = claim_one(drain)
    assert (claim.is_update, "v2" in claim.payload) == (True, True)
    assert drain.settle([(claim, Outcome("updated", extra="T1"))]) == ["delivered"]


def test_two_changes_in_a_row_are_one_update(ledger: Ledger, drain: Drain) -> None:
    accept(ledger, 1)
    drain.settle([(claim_one(drain), DONE)])
    assert (accept(ledger, 2), accept(ledger, 3)) == ("updating", "replaced")
    claim = claim_one(drain)
    assert "v3" in claim.payload
    drain.settle([(claim, Outcome("updated", extra="T1"))])
    assert drain.claim(1) == []


def test_an_order_found_after_an_uncertain_create_is_updated(ledger: Ledger, drain: Drain) -> None:
    accept(ledger, 1)
    drain.settle([(claim_one(drain), Outcome("retry", "uncertain", uncertain=True))])
    assert accept(ledger, 2) == "replaced"
    existed = Outcome("existed", "found", extra="T1")
    assert drain.settle([(claim_one(drain), existed)]) == ["queued"]
    claim = claim_one(drain)
    assert (claim.is_update, "v2" in claim.payload) == (True, True)


def test_an_update_without_tries_left_is_dead_and_never_in_doubt(ledger: Ledger, drain: Drain) -> None:
    accept(ledger, 1)
    drain.settle([(claim_one(drain), DONE)])
    accept(ledger, 2)
    for _ in range(2):
        drain.settle([(claim_one(drain), Outcome("retry", "uncertain", uncertain=True))])
    assert drain.settle([(claim_one(drain), Outcome("retry", "uncertain", uncertain=True))]) == ["dead"]
    assert accept(ledger, 3) == "updating"
    assert claim_one(drain).is_update


def test_an_order_that_changed_while_it_was_rejected_is_retried_with_its_new_content(
    ledger: Ledger, drain: Drain
) -> None:
    accept(ledger, 1)
    claim = claim_one(drain)
    accept(ledger, 2)
    assert drain.settle([(claim, Outcome("bury", "rejected", "city"))]) == ["queued"]
    claim = claim_one(drain)
    assert "v2" in claim.payload
    assert drain.settle([(claim, Outcome("bury", "rejected", "city"))]) == ["dead"]


def test_a_held_change_waits_for_an_operator(ledger: Ledger, lane: Lane, drain: Drain) -> None:
    accept(ledger, 1)
    drain.settle([(claim_one(drain), DONE)])
    assert accept(ledger, 2, "hold") == "held"
    assert lane.status()["held_now"] == 1
    assert lane.held_keys() == ["shop:1"]
    assert drain.claim(1) == []
    assert lane.release(["shop:1"], "send") == 1
    assert lane.release(["shop:1"], "send") == 0
    claim = claim_one(drain)
    assert (claim.is_update, "v2" in claim.payload) == (True, True)


def test_a_held_change_that_is_dropped_leaves_the_order_delivered(
    ledger: Ledger, lane: Lane, drain: Drain, redis: Redis
) -> None:
    accept(ledger, 1)
    drain.settle([(claim_one(drain), DONE)])
    accept(ledger, 2, "hold")
    lane.release(["shop:1"], "drop")
    assert state(ledger)["state"] == "delivered"
    assert redis.keys("intake:payload:*") == redis.keys("intake:history:*") == []
    assert drain.claim(1) == []


def test_a_change_of_a_claimed_order_is_held_when_the_order_is_delivered(
    ledger: Ledger, lane: Lane, drain: Drain
) -> None:
    accept(ledger, 1, "hold")
    claim = claim_one(drain)
    accept(ledger, 2, "hold")
    assert drain.settle([(claim, DONE)]) == ["held"]
    lane.release(["shop:1"], "send")
    assert "v2" in claim_one(drain).payload


def test_an_order_without_a_mapping_is_held_and_delivered_when_released(
    ledger: Ledger, lane: Lane, drain: Drain
) -> None:
    accept(ledger, 1)
    assert drain.settle([(claim_one(drain), Outcome("hold", "held", "no product for sku A"))]) == ["held"]
    assert drain.claim(1) == []
    assert accept(ledger, 1) == "same"
    assert lane.status()["dead_now"] == 0
    lane.release(["shop:1"], "send")
    claim = claim_one(drain)
    assert not claim.is_update
    drain.settle([(claim, DONE)])
    assert history(ledger)[-4:] == [
        "held held no product for sku A",
        "released",
        f"claimed {drain.name}",
        "delivered T1",
    ]


def test_a_held_order_that_changes_at_the_source_is_retried(ledger: Ledger, lane: Lane, drain: Drain) -> None:
    accept(ledger, 1)
    drain.settle([(claim_one(drain), Outcome("hold", "held", "no product for sku A"))])
    assert accept(ledger, 2) == "revived"
    assert lane.status()["held_now"] == 0
    assert "v2" in claim_one(drain).payload


def test_a_held_order_that_was_never_delivered_is_dead_when_dropped(ledger: Ledger, lane: Lane, drain: Drain) -> None:
    accept(ledger, 1)
    drain.settle([(claim_one(drain), Outcome("hold", "held", "no product for sku A"))])
    lane.release(["shop:1"], "drop")
    assert (state(ledger)["state"], state(ledger)["code"]) == ("dead", "dropped")
    assert lane.status()["dead_now"] == 1


def test_an_order_that_no_route_accepts_is_not_queued(ledger: Ledger, drain: Drain) -> None:
    assert accept(ledger, 1, wanted=False) == "unwanted"
    assert ledger.entries(["t"], "shop:1") == []
    assert accept(ledger, 2) == "new"


def test_an_order_cancelled_before_it_was_sent_is_withdrawn(ledger: Ledger, drain: Drain) -> None:
    accept(ledger, 1)
    assert accept(ledger, 2, wanted=False) == "withdrawn"
    assert state(ledger)["state"] == "withdrawn"
    assert drain.claim(1) == []
    assert accept(ledger, 3) == "revived"
    assert "v3" in claim_one(drain).payload


def test_a_delivered_order_that_its_route_no_longer_accepts_is_still_updated(ledger: Ledger, drain: Drain) -> None:
    accept(ledger, 1)
    drain.settle([(claim_one(drain), DONE)])
    assert accept(ledger, 2, wanted=False) == "updating"


def test_an_order_that_may_have_been_sent_is_not_withheld(ledger: Ledger, drain: Drain) -> None:
    accept(ledger, 1)
    drain.settle([(claim_one(drain), Outcome("retry", "uncertain", uncertain=True))])
    assert accept(ledger, 2, wanted=False) == "replaced"
    assert claim_one(drain).uncertain == "1"


def test_a_pending_order_resumes_from_its_step(ledger: Ledger, drain: Drain) -> None:
    accept(ledger, 1)
    pending = Outcome("pending", extra="batch-9", uncertain=True)
    assert drain.settle([(claim_one(drain), pending)]) == ["queued"]
    claim = claim_one(drain)
    assert claim.step == "batch-9"
    drain.settle([(claim, pending)])
    drain.settle([(claim_one(drain), DONE)])
    assert state(ledger)["state"] == "delivered"
    assert "step" not in state(ledger)
    assert history(ledger).count("pending batch-9") == 1


def test_a_pending_order_waits_for_the_requested_delay(ledger: Ledger, drain: Drain) -> None:
    accept(ledger, 1)
    drain.settle([(claim_one(drain), Outcome("pending", delay=60.0, extra="batch-9", uncertain=True))])
    assert drain.claim(1) == []


def test_a_pending_order_that_changed_is_updated_when_it_is_created(ledger: Ledger, drain: Drain) -> None:
    accept(ledger, 1)
    drain.settle([(claim_one(drain), Outcome("pending", extra="batch-9", uncertain=True))])
    assert accept(ledger, 2) == "replaced"
    assert drain.settle([(claim_one(drain), DONE)]) == ["queued"]
    assert claim_one(drain).is_update


def test_a_rejected_pending_order_that_changed_is_created_again(ledger: Ledger, drain: Drain) -> None:
    accept(ledger, 1)
    drain.settle([(claim_one(drain), Outcome("pending", extra="batch-9", uncertain=True))])
    accept(ledger, 2)
    assert drain.settle([(claim_one(drain), Outcome("bury", "rejected", "phone"))]) == ["queued"]
    claim = claim_one(drain)
    assert (claim.step, claim.uncertain, "v2" in claim.payload) == ("", "", True)


def test_a_pending_order_without_a_result_is_in_doubt_with_its_step(ledger: Ledger, drain: Drain) -> None:
    accept(ledger, 1)
    drain.settle([(claim_one(drain), Outcome("pending", extra="batch-9", uncertain=True))])
    for _ in range(3):
        drain.settle([(claim_one(drain), Outcome("retry", "unavailable"))])
    assert state(ledger)["state"] == "in_doubt"
    assert state(ledger)["step"] == "batch-9"


@pytest.mark.parametrize("first", ["", "1"])
def test_a_claim_states_why_the_order_must_be_looked_up_first(ledger: Ledger, drain: Drain, first: str) -> None:
    ledger.accept("t", [Delivery(order(), "R1")], "test", ask="never" if first else "new")
    claim = claim_one(drain)
    assert claim.uncertain == ("" if first else "ask")
    drain.settle([(claim, Outcome("retry", "uncertain", uncertain=True))])
    assert claim_one(drain).uncertain == "1"


def test_a_bulk_target_gets_a_full_batch_for_each_call_of_its_limit(redis: Redis, ledger: Ledger) -> None:
    from worker.store.limits.limit import Limit

    scope = Scope(redis, "bulk", (Limit.parse("5/s"),))
    single = Lane(redis, "t", scope, lease=5.0, heartbeat=1.0, max_tries=3, concurrency=2)
    bulk = Lane(redis, "t", scope, lease=5.0, heartbeat=1.0, max_tries=3, concurrency=2, per_call=50)
    ledger.accept("t", [Delivery(order(str(n)), str(n)) for n in range(120)], "test")
    with single.drain() as drain:
        assert 3 <= len(drain.claim(100)) <= 5
    with bulk.drain() as drain:
        assert len(drain.claim(50)) == 50


def test_the_history_of_a_changed_order_is_kept_until_the_change_is_delivered(
    ledger: Ledger, drain: Drain, redis: Redis
) -> None:
    accept(ledger, 1)
    drain.settle([(claim_one(drain), DONE)])
    assert not redis.exists("intake:history:t:shop:1")
    accept(ledger, 2)
    assert redis.pttl("intake:history:t:shop:1") == -1
    drain.settle([(claim_one(drain), Outcome("updated", extra="T1"))])
    assert not redis.exists("intake:history:t:shop:1")
    assert [event.split()[0] for event in history(ledger)] == [
        *("accepted", "claimed", "delivered"),
        *("changed", "claimed", "updated"),
    ]


def test_an_order_that_changed_during_a_failed_mapping_is_retried(ledger: Ledger, drain: Drain) -> None:
    accept(ledger, 1)
    claim = claim_one(drain)
    accept(ledger, 2)
    assert drain.settle([(claim, Outcome("hold", "held", "no product for sku A"))]) == ["queued"]
    assert "v2" in claim_one(drain).payload
