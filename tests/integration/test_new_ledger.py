"""The quarantine of a new ledger: a target that accepts duplicates gets nothing until earlier calls have ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

import tasks.deliver
from support.fake_runtime import FakeRuntime, Shop, Warehouse
from support.orders import order
from support.settings_texts import BY_PROVIDER, Configured, dropboy, dropday, route
from worker.errors import LeaseLost
from worker.store.limits.limiter import Scope
from worker.store.orders.delivery import Delivery
from worker.store.orders.lanes import Lane
from worker.store.orders.ledger import Ledger, Standing
from worker.store.orders.stuck import Stuck
from worker.store.redis import keys
from worker.store.redis.heartbeat import Heartbeat, uptime
from worker.watch.snapshot import take_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

QUIET = 30.0


@pytest.fixture
def ledger(redis: Redis) -> Ledger:
    return Ledger(redis, lease=5.0)


@pytest.fixture
def lane(redis: Redis) -> Lane:
    return Lane(
        redis, "t", Scope(redis, "t", ()), lease=5.0, heartbeat=1.0, max_tries=1, concurrency=2, quarantine=QUIET
    )


def accept(ledger: Ledger, note: str = "", *, wanted: bool = True) -> str:
    delivery = Delivery(order(note=note), "R1", "" if wanted else "it is a test order")
    return ledger.accept("t", [delivery], "test", ask="new").results[0]


def claimed(lane: Lane) -> int:
    with lane.drain() as drain:
        return len(drain.claim(10))


def make_older(redis: Redis, seconds: float) -> None:
    """Make the ledger this many seconds older."""
    redis.decrby(keys.EPOCH, round(seconds * 1000))


def test_an_order_of_a_new_ledger_is_sent_when_the_ledger_is_old_enough(
    redis: Redis, ledger: Ledger, lane: Lane
) -> None:
    assert accept(ledger) == "new"
    assert claimed(lane) == 0
    assert QUIET - 2 <= int(lane.status()["quarantine_s"]) <= QUIET
    make_older(redis, QUIET - 2)
    assert claimed(lane) == 0
    make_older(redis, 2)
    assert lane.status()["quarantine_s"] == 0
    assert claimed(lane) == 1


def hold(ledger: Ledger, lane: Lane) -> None:
    """Accept an order, and hold it as a drain does that the ledger was too new for."""
    accept(ledger)
    lane.redis.zrem(lane.keys.due, order().key)
    lane.redis.hset(lane.keys.order + order().key, "state", "held")
    lane.redis.zadd(lane.keys.held, {order().key: 1})


def revived(ledger: Ledger, lane: Lane) -> None:
    hold(ledger, lane)
    assert accept(ledger, "third") == "revived"


def left_out(ledger: Ledger, lane: Lane) -> None:
    hold(ledger, lane)
    assert accept(ledger, "other", wanted=False) == "asked"


def released(ledger: Ledger, lane: Lane) -> None:
    hold(ledger, lane)
    assert lane.release(lane.held_keys(), "send") == 1


def replayed(ledger: Ledger, lane: Lane) -> None:
    hold(ledger, lane)
    assert lane.release(lane.held_keys(), "drop") == 1
    assert Stuck(lane.redis, "t").move("replay", [order().key], source="by hand")


def replaced(ledger: Ledger, lane: Lane) -> None:
    accept(ledger)
    assert accept(ledger, "other") == "replaced"


def resent(ledger: Ledger, lane: Lane) -> None:
    assert ledger.resend("t", Delivery(order(), "R1"), "create", seen=Standing(), source="test") == "queued"


@pytest.mark.parametrize("way", [revived, left_out, released, replayed, replaced, resent])
def test_a_new_ledger_delays_revived_released_replayed_and_resent_orders_too(
    redis: Redis, ledger: Ledger, lane: Lane, way: Callable[[Ledger, Lane], None]
) -> None:
    way(ledger, lane)
    assert lane.status()["queued"] == 1
    assert claimed(lane) == 0
    make_older(redis, QUIET)
    assert claimed(lane) == 1


def test_a_drain_from_before_the_loss_gets_no_claims(redis: Redis, ledger: Ledger, lane: Lane) -> None:
    ledger.assume_no_predecessor()
    accept(ledger)
    with lane.drain() as drain:
        assert len(drain.claim(10)) == 1
        redis.flushall()
        accept(ledger)
        assert drain.claim(10) == []


def test_a_first_ledger_has_no_quarantine(ledger: Ledger, lane: Lane) -> None:
    accept(ledger)
    assert claimed(lane) == 0
    ledger.assume_no_predecessor()
    assert claimed(lane) == 1


def test_the_lane_logs_its_quarantine_once(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([[{"id": 1}]]), Warehouse())
    rt.lanes["t"].quarantine_ms = 30_000
    rt.ledger.accept("t", [Delivery(order(), "R1")], "test", ask="new")
    with capture_logs() as lines:
        for _ in range(3):
            tasks.deliver.deliver(rt, "t", rt.nudge)
    (line,) = [line for line in lines if line["event"] == "lane.waits"]
    assert (line["lane"], 28 <= line["seconds"] <= 30) == ("t", True)
    assert not rt.warehouse.created


def test_only_a_target_that_accepts_duplicates_has_a_quarantine(
    configured: Configured,
) -> None:
    rt = configured.open(
        dropboy("providers.shop", currency="EUR")
        + dropboy("targets.carrier", price="send", currency="EUR")
        + dropday("targets.store", placeholder="-")
        + route("shop", "carrier", "store", reference=BY_PROVIDER)
    )
    quarantines = {name: lane.quarantine_ms / 1000 for name, lane in rt.lanes.items()}
    clocks = rt.settings.clocks
    reported = {name: lane.quarantine for name, lane in take_snapshot(rt).lanes.items()}
    assert reported == quarantines, "the alarms use the same quarantine"
    assert quarantines == {"carrier": clocks.lease + clocks.request + clocks.arrived, "store": 0}


def test_a_lease_is_measured_from_the_request_not_from_the_response() -> None:
    heartbeat = Heartbeat(lambda: True, 60.0, 0.2)
    with heartbeat:
        requested_at = uptime()
        time.sleep(0.3)  # as if the process were suspended while the response of Redis arrives
        heartbeat.confirm(requested_at, ours=True)
        with pytest.raises(LeaseLost):
            heartbeat.check()
