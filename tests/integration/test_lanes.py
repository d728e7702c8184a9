"""The ledger and the lanes on a real server: every move, repeated, fenced and taken over."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from support.orders import order
from worker.errors import LeaseLost
from worker.store.limits.limiter import Scope
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import BREAKER, Outcome
from worker.store.orders.lanes import POISON, Lane
from worker.store.orders.ledger import Ledger

if TYPE_CHECKING:
    from redis import Redis

    from worker.store.orders.drains import Claim, Drain

LEASE = 0.6
DONE = Outcome("delivered", extra="77")


def lane_of(redis: Redis, *, max_tries: int = 3, lease: float = LEASE, concurrency: int = 4) -> Lane:
    scope = Scope(redis, "dropday:t", ())
    return Lane(redis, "t", scope, lease=lease, heartbeat=lease / 4, max_tries=max_tries, concurrency=concurrency)


@pytest.fixture
def lane(redis: Redis) -> Lane:
    return lane_of(redis)


@pytest.fixture
def ledger(redis: Redis) -> Ledger:
    return Ledger(redis, lease=LEASE)


def fill(ledger: Ledger, count: int = 1, **fields: object) -> None:
    ledger.accept("t", [Delivery(order(str(n + 1), **fields), f"R{n + 1}") for n in range(count)], "test")


def claim_one(drain: Drain) -> Claim:
    claims = drain.claim(1)
    assert len(claims) == 1
    return claims[0]


def state(ledger: Ledger, key: str = "shop:1") -> dict[str, str]:
    return ledger.entries(["t"], key)[0].record


def events(ledger: Ledger, key: str = "shop:1") -> list[str]:
    return [event.split(" ")[0] for _, event in ledger.entries(["t"], key)[0].history]


def test_an_order_is_accepted_once_however_often_it_is_read(ledger: Ledger, lane: Lane) -> None:
    assert ledger.accept("t", [Delivery(order(), "R1")], "test").results == ("new",)
    assert ledger.accept("t", [Delivery(order(), "R1")], "test").results == ("same",)
    assert ledger.accept("t", [Delivery(order(), "R1"), Delivery(order("2"), "R2")], "test").results == ("same", "new")
    assert lane.status()["queued"] == 2


def test_accepting_requests_a_nudge_only_when_no_drain_works(ledger: Ledger, lane: Lane) -> None:
    assert ledger.accept("t", [Delivery(order(), "R1")], "test").nudge
    assert not ledger.accept("t", [Delivery(order(), "R1")], "test").nudge
    with lane.drain() as drain:
        drain.claim(1)
        assert not ledger.accept("t", [Delivery(order("2"), "R2")], "test").nudge


def test_an_order_never_arrives_between_empty_and_leaving(ledger: Ledger, lane: Lane) -> None:
    with lane.drain() as drain:
        assert drain.claim(5) == []
        assert lane.status()["drains"] == 0
        assert ledger.accept("t", [Delivery(order(), "R1")], "test").nudge


def test_a_drain_that_finds_no_more_work_is_removed(ledger: Ledger, lane: Lane) -> None:
    fill(ledger)
    with lane.drain() as drain:
        drain.settle([(claim_one(drain), DONE)])
        assert lane.status()["drains"] == 1
        assert drain.claim(5) == []
        assert lane.status()["drains"] == 0
        assert ledger.accept("t", [Delivery(order("2"), "R2")], "test").nudge


def test_a_claim_contains_the_whole_order_and_its_reference(ledger: Ledger, lane: Lane) -> None:
    fill(ledger)
    with lane.drain() as drain:
        claim = claim_one(drain)
        assert (claim.key, claim.reference, claim.tries, claim.uncertain) == ("shop:1", "R1", 0, "")
        assert type(order()).model_validate_json(claim.payload) == order()


def test_no_order_is_claimed_twice_by_many_drains_at_once(redis: Redis, ledger: Ledger) -> None:
    fill(ledger, 300)
    lane = lane_of(redis, lease=10, concurrency=8)
    claimed: list[str] = []

    def drain() -> None:
        with lane.drain() as mine:
            while claims := mine.claim(7):
                claimed.extend(claim.key for claim in claims)
                mine.settle((claim, DONE) for claim in claims)

    threads = [threading.Thread(target=drain) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == len(set(claimed)) == 300
    assert lane.status()["delivered"] == 300


def test_no_more_drains_than_allowed_work_on_a_lane(redis: Redis, ledger: Ledger) -> None:
    lane = lane_of(redis, concurrency=64)  # more calls than drains: those do not stop the last one
    fill(ledger, lane.drains + 1)
    with ExitStack() as entered:
        drains = [entered.enter_context(lane.drain()) for _ in range(lane.drains + 1)]
        assert [len(drain.claim(1)) for drain in drains] == [1] * lane.drains + [0]


def test_no_more_drains_than_calls_work_on_a_lane(redis: Redis, ledger: Ledger) -> None:
    fill(ledger, 3)
    lane = lane_of(redis, concurrency=2)
    with lane.drain() as first, lane.drain() as second, lane.drain() as third:
        assert first.claim(1)
        assert second.claim(1)
        assert third.claim(1) == []


def test_a_repeated_claim_returns_the_same_orders(ledger: Ledger, lane: Lane) -> None:
    fill(ledger, 5)
    with lane.drain() as drain:
        first = drain.claim(3)
        drain._number, drain._held = 0, {}  # the response was lost, so the script is repeated
        again = drain.claim(3)
        assert sorted(first, key=str) == sorted(again, key=str)
        assert lane.status()["in_flight"] == 3


def test_a_settled_order_keeps_a_compact_record_and_loses_its_payload(ledger: Ledger, lane: Lane, redis: Redis) -> None:
    fill(ledger)
    with lane.drain() as drain:
        assert drain.settle([(claim_one(drain), DONE)]) == ["delivered"]
    record = state(ledger)
    assert record["state"] == "delivered"
    assert record["target_id"] == "77"
    assert not redis.exists("intake:payload:t:shop:1", "intake:order:t:shop:1", "intake:history:t:shop:1")
    assert 29 * 86400 < redis.ttl("intake:histories:t:1") <= 30 * 86400
    assert events(ledger) == ["accepted", "claimed", "delivered"]


def test_a_settle_can_be_repeated_after_a_lost_response(ledger: Ledger, lane: Lane) -> None:
    fill(ledger)
    with lane.drain() as drain:
        claim = claim_one(drain)
        assert drain.settle([(claim, DONE)]) == ["delivered"]
        assert drain.settle([(claim, DONE)]) == ["delivered"]
    assert lane.status()["delivered"] == 1


def test_the_history_of_an_order_that_waits_for_days_stays_short(ledger: Ledger, lane: Lane) -> None:
    fill(ledger)
    with lane.drain() as drain:
        for _ in range(100):
            drain.settle([(claim_one(drain), Outcome("snooze", "rate_limited"))])
    entry = ledger.entries(["t"], "shop:1")[0]
    assert len(entry.history) <= 61
    assert entry.due is not None
    assert entry.history[-1][1].startswith("snoozed rate_limited")


def test_a_retry_spends_a_try_and_a_snooze_does_not(ledger: Ledger, lane: Lane) -> None:
    fill(ledger)
    with lane.drain() as drain:
        drain.settle([(claim_one(drain), Outcome("snooze", "rate_limited"))])
        drain.settle([(claim_one(drain), Outcome("retry", "unavailable"))])
        assert claim_one(drain).tries == 1


def test_an_order_that_has_used_up_its_tries_is_buried_with_its_reason(ledger: Ledger, lane: Lane) -> None:
    fill(ledger)
    with lane.drain() as drain:
        for _ in range(3):
            last = drain.settle([(claim_one(drain), Outcome("retry", "unavailable", "refused"))])
        assert last == ["dead"]
        assert drain.claim(1) == []
    assert (state(ledger)["code"], state(ledger)["detail"]) == ("unavailable", "refused")


def test_an_uncertain_order_that_has_used_up_its_tries_is_in_doubt_not_dead(ledger: Ledger, lane: Lane) -> None:
    fill(ledger)
    with lane.drain() as drain:
        for _ in range(3):
            last = drain.settle([(claim_one(drain), Outcome("retry", "uncertain", uncertain=True))])
    assert last == ["in_doubt"]
    assert lane.status()["in_doubt_now"] == 1


def test_an_uncertain_outcome_is_remembered_until_the_order_is_delivered(ledger: Ledger, lane: Lane) -> None:
    fill(ledger)
    with lane.drain() as drain:
        drain.settle([(claim_one(drain), Outcome("retry", "uncertain", uncertain=True))])
        drain.settle([(claim_one(drain), Outcome("snooze", "rate_limited"))])
        assert claim_one(drain).uncertain


def test_a_rejected_order_keeps_the_fields_the_target_named(ledger: Ledger, lane: Lane) -> None:
    fill(ledger)
    with lane.drain() as drain:
        drain.settle([(claim_one(drain), Outcome("bury", "rejected", "422: city", extra='{"city": ["required"]}'))])
    assert state(ledger)["fields"] == '{"city": ["required"]}'
    assert lane.status()["dead_now"] == 1


def test_an_order_changed_at_the_source_is_taken_from_the_dead(ledger: Ledger, lane: Lane) -> None:
    fill(ledger)
    with lane.drain() as drain:
        drain.settle([(claim_one(drain), Outcome("bury", "rejected"))])
        assert ledger.accept("t", [Delivery(order(note="corrected"), "R1")], "test").results == ("revived",)
        assert "corrected" in claim_one(drain).payload
    assert lane.status()["dead_now"] == 0


def test_an_older_version_never_overwrites_a_newer_one(ledger: Ledger, lane: Lane) -> None:
    def accept(version: int, note: str) -> str:
        return ledger.accept("t", [Delivery(order(version=version, note=note), "R1")], "test").results[0]

    assert accept(9, "nine") == "new"
    assert accept(10, "ten") == "replaced"
    assert accept(9, "nine") == "stale"
    assert accept(2**60, "late") == "replaced"
    assert accept(2**60 - 1, "almost") == "stale"
    with lane.drain() as drain:
        assert "late" in claim_one(drain).payload


def test_a_change_after_delivery_is_recorded_and_not_sent(ledger: Ledger, lane: Lane) -> None:
    fill(ledger, version=1)
    with lane.drain() as drain:
        drain.settle([(claim_one(drain), DONE)])
        changed = ledger.accept("t", [Delivery(order(version=2, note="changed"), "R1")], "test")
        assert changed.results == ("changed",)
        assert not changed.nudge
        assert drain.claim(1) == []
    assert lane.status()["accepted_changed"] == 1


def test_a_change_of_a_claimed_order_is_recorded_when_the_order_is_delivered(ledger: Ledger, lane: Lane) -> None:
    fill(ledger, version=1)
    with lane.drain() as drain:
        claim = claim_one(drain)
        assert ledger.accept("t", [Delivery(order(version=2, note="changed"), "R1")], "test").results == ("replaced",)
        drain.settle([(claim, DONE)])
    assert lane.status()["accepted_changed"] == 1
    assert state(ledger)["sent"] != state(ledger)["fingerprint"]


def test_the_claims_of_a_dead_drain_are_freed_as_uncertain_and_its_late_settle_is_refused(
    ledger: Ledger, lane: Lane
) -> None:
    fill(ledger)
    dead = lane.drain()
    claim = claim_one(dead)
    assert lane.sweep().freed == 0
    time.sleep(LEASE + 0.1)
    assert lane.sweep().freed == 1
    assert dead.settle([(claim, DONE)]) == ["refused"]
    with pytest.raises(LeaseLost):
        dead.check()
    with lane.drain() as successor:
        assert claim_one(successor).uncertain
    assert lane.status().get("delivered", 0) == 0


def test_a_drain_whose_lease_ended_is_refused_even_before_the_sweep(ledger: Ledger, lane: Lane) -> None:
    fill(ledger)
    dead = lane.drain()
    claim = claim_one(dead)
    time.sleep(LEASE + 0.1)
    assert dead.settle([(claim, DONE)]) == ["refused"]
    with pytest.raises(LeaseLost):
        dead.claim(1)


def test_a_heartbeat_keeps_the_lease_for_as_long_as_the_work_takes(ledger: Ledger, lane: Lane) -> None:
    fill(ledger)
    with lane.drain() as drain:
        claim = claim_one(drain)
        time.sleep(LEASE * 2.5)
        assert lane.sweep().freed == 0
        drain.check()
        assert drain.settle([(claim, DONE)]) == ["delivered"]


def test_a_poison_order_is_buried_and_the_orders_claimed_with_it_are_not(ledger: Ledger, redis: Redis) -> None:
    """Let every drain that claims order 1 die: the orders claimed with it must still be delivered."""
    fill(ledger, 4)
    lane = lane_of(redis, lease=0.05)
    for _ in range(40):
        drain = lane.drain()
        claims = drain.claim(4)
        if not claims:
            break
        if any(claim.key == "shop:1" for claim in claims):
            time.sleep(0.06)
            lane.sweep()
        else:
            drain.settle((claim, DONE) for claim in claims)
            drain.leave()
    status = lane.status()
    assert (status["delivered"], status["dead_now"]) == (3, 1)
    assert state(ledger)["code"] == "poison"
    assert len(state(ledger)["died"].split()) == POISON
    assert state(ledger)["detail"] == f"its worker died {POISON} times"


def test_an_open_breaker_closes_the_lane_and_costs_no_try(ledger: Ledger, redis: Redis) -> None:
    lane = lane_of(redis, max_tries=BREAKER + 5)
    fill(ledger)
    with lane.drain() as drain:
        for _ in range(BREAKER):
            drain.settle([(claim_one(drain), Outcome("retry", "unavailable"))])
        assert drain.claim(1) == []
        swept = lane.sweep()
        assert 0 < swept.closed <= 1
        tries = state(ledger)["tries"]
        for _ in range(4):
            redis.hset(lane.keys.lane, "closed_until", 0)
            drain.settle([(claim_one(drain), Outcome("retry", "unavailable"))])
        assert state(ledger)["tries"] == tries
        redis.hset(lane.keys.lane, "closed_until", 0)
        drain.settle([(claim_one(drain), DONE)])
        assert lane.sweep().closed == 0


def test_behind_an_open_breaker_one_order_probes_at_a_time(ledger: Ledger, redis: Redis) -> None:
    lane = lane_of(redis)
    fill(ledger, 10)
    redis.hset(lane.keys.lane, mapping={"failures": BREAKER, "closed_until": 0})
    with lane.drain() as first, lane.drain() as second:
        assert len(first.claim(10)) == 1
        assert second.claim(10) == []


def test_a_paused_lane_releases_no_claims_until_resumed(ledger: Ledger, lane: Lane) -> None:
    fill(ledger)
    lane.pause("wrong key")
    with lane.drain() as drain:
        assert drain.claim(1) == []
        assert lane.sweep().paused
        lane.resume()
        claim_one(drain)


def test_a_new_ledger_refuses_earlier_claims(ledger: Ledger, lane: Lane, redis: Redis) -> None:
    fill(ledger)
    with lane.drain() as drain:
        claim = claim_one(drain)
        redis.flushall()
        assert drain.settle([(claim, DONE)]) == ["refused"]
    assert ledger.entries(["t"], "shop:1") == []


def test_orders_are_looked_up_before_creation_until_a_poll_of_their_provider_has_ended(
    redis: Redis, ledger: Ledger, lane: Lane
) -> None:
    redis.hset("intake:cursor:shop", "walked", 1)
    ledger.accept("t", [Delivery(order(), "R1")], "test", ask="new")
    with lane.drain() as drain:
        assert not claim_one(drain).uncertain
    redis.flushall()
    ledger.accept("t", [Delivery(order(), "R1")], "test", ask="new")
    with lane.drain() as drain:
        assert claim_one(drain).uncertain == "ask"


def test_orders_of_producers_are_looked_up_until_the_ledger_is_a_day_old(
    redis: Redis, ledger: Ledger, lane: Lane
) -> None:
    def uncertainty_of(number: str) -> str:
        ledger.accept("t", [Delivery(order(number), number)], "push", ask="new")
        with lane.drain() as drain:
            claim = claim_one(drain)
            drain.settle([(claim, DONE)])
        return claim.uncertain

    assert uncertainty_of("1") == "ask"
    redis.decrby("intake:epoch", 86_400_000)
    assert uncertainty_of("2") == ""
    redis.hset("intake:cursor:shop", "started", 1)
    assert uncertainty_of("3") == "ask"
