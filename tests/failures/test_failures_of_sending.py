"""Failures while orders are sent: rows 9 to 13, 15, 17, 19 and 21 of the failure list in the README."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

import pytest

import tasks.deliver
import tasks.fetch
import tasks.listen
import tasks.poll
import tasks.sweep
from support.fake_runtime import FakeRuntime, Shop, Warehouse
from support.ordercloud_target import cloud_order, simulated_ordercloud, target_factory
from support.orders import order
from support.pipeline import PLACEHOLDER
from support.redis_text import make_due
from worker.errors import Rejected
from worker.store.limits.limiter import Scope
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome
from worker.store.orders.lanes import Lane
from worker.store.orders.ledger import Ledger
from worker.systems.provider import Record

if TYPE_CHECKING:
    from redis import Redis

    from schemas.order import Order
    from support.pipeline import MakePipeline
    from worker.systems.target import Receipt

pytestmark = pytest.mark.paced

LEASE = 0.6


def poll(rt: FakeRuntime) -> None:
    tasks.poll.poll(rt, "shop", rt.nudge)


def deliver(rt: FakeRuntime) -> None:
    tasks.deliver.deliver(rt, "t", rt.nudge)


def take(rt: FakeRuntime) -> None:
    with rt.inbox.taker() as taker:
        tasks.listen.take(rt, taker, rt.nudge)


def references(rt: FakeRuntime) -> list[str]:
    return [reference for reference, _ in rt.warehouse.created]


def test_row_09_an_order_whose_product_is_not_mapped_yet_is_held_and_sent_when_it_is(redis: Redis) -> None:
    with simulated_ordercloud() as box, target_factory(box) as cloud:
        rt = FakeRuntime(redis, Shop([]))
        rt.targets["t"] = cloud(product_map={"MUG": "mug"})
        rt.ledger.accept("t", [Delivery(cloud_order(), "mapped_3A1")], "test")
        deliver(rt)
        lane = rt.lanes["t"]
        assert (lane.status()["held_now"], lane.status()["dead_now"]) == (1, 0)
        assert cloud().find("mapped_3A1") is None
        rt.targets["t"] = cloud()
        assert lane.release(lane.held_keys(), "send") == 1
        deliver(rt)
        assert cloud().find("mapped_3A1") is not None


class Single(Shop):
    """A shop that can also fetch a single order."""

    def fetch_one(self, external_id: str) -> Record | None:
        return Record({"id": external_id})


def test_row_10_the_same_order_by_poll_push_and_hint_is_one_order(redis: Redis) -> None:
    rt = FakeRuntime(redis, Single([[{"id": "7"}]]))
    for _ in range(2):
        poll(rt)
        deliver(rt)
        rt.shop.pages.append([{"id": "7"}])
        for job in ({"record": {"id": "7"}}, {"external_id": "7"}):
            rt.inbox.push([json.dumps({"v": 1, "provider": "shop", **job})])
            take(rt)
        tasks.fetch.fetch(rt, "shop", rt.nudge)
        deliver(rt)
    assert references(rt) == ["7"]
    status = rt.lanes["t"].status()
    assert (status["accepted_new"], status["accepted_same"]) == (1, 5)


def test_row_11_a_timeout_after_the_create_makes_no_second_order(make_pipeline: MakePipeline) -> None:
    """The target accepts duplicates (`dedupe=off`)."""
    pipeline = make_pipeline(3, faults=["dropday:create:slow_after:seconds=1.5:times=1"])
    pipeline.open(target=f'{PLACEHOLDER}\n[clocks]\nrequest = "500ms"')
    pipeline.poll()
    pipeline.deliver()
    assert pipeline.lane()["retried"] == 1
    pipeline.deliver_all()
    assert len(pipeline.created()) == len(set(pipeline.created())) == 3
    assert pipeline.compare().clean, str(pipeline.compare())


class Slow(Warehouse):
    """A target that takes `seconds` for each create."""

    seconds = 3 * LEASE

    def create(self, order: Order, reference: str) -> Receipt:
        time.sleep(self.seconds)
        return self._create(order, reference)


def test_row_12_a_create_that_outlasts_the_lease_keeps_its_claim(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([[{"id": 1}]]), Slow(), lease=LEASE)
    poll(rt)
    first = threading.Thread(target=deliver, args=(rt,))
    first.start()
    while first.is_alive():
        tasks.sweep.sweep(rt, rt.nudge)
        deliver(rt)
        time.sleep(0.05)
    first.join()
    assert references(rt) == ["1"]
    assert "taken" not in {event.split()[0] for _, event in rt.ledger.entries(["t"], "shop:1")[0].history}


def test_row_13_a_redelivered_nudge_duplicates_nothing(redis: Redis) -> None:
    """Copies arrive while the first nudge is still handled, as after a visibility timeout of the broker."""
    rt = FakeRuntime(redis, Shop([[{"id": n} for n in range(4)]]), Slow())
    rt.warehouse.seconds = 0.2
    poll(rt)
    copies = [threading.Thread(target=deliver, args=(rt,)) for _ in range(6)]
    for copy in copies:
        copy.start()
        time.sleep(0.1)
    for copy in copies:
        copy.join()
    assert sorted(references(rt)) == ["0", "1", "2", "3"]


def test_row_15_a_night_of_maintenance_costs_no_order_a_try(make_pipeline: MakePipeline, redis: Redis) -> None:
    pipeline = make_pipeline(2, faults=["dropday:create:503:times=14:retry_after=1800"]).open()
    pipeline.rt.lanes["dropday"].concurrency = 1  # each call that is under way is refused
    pipeline.poll()
    ids = [str(order["id"]) for order in pipeline.box.orders("retailcrm")]
    for _ in range(14):  # more than the 12 tries of an order
        pipeline.deliver()
        assert pipeline.rt.scopes["dropday:dropday"].closed_seconds() > 1000
        assert all("tries" not in pipeline.record(external_id) for external_id in ids)
        # Simulate that half an hour has passed.
        redis.delete("intake:limit:dropday:dropday")
        make_due(redis, pipeline.rt.lanes["dropday"])
    pipeline.deliver_all()
    assert (pipeline.lane()["dead_now"], pipeline.lane()["in_doubt_now"]) == (0, 0)
    assert pipeline.compare().clean, str(pipeline.compare())


def test_row_17_a_fresh_order_does_not_wait_behind_other_targets_retries_or_backfills(
    redis: Redis,
) -> None:
    ledger = Ledger(redis, lease=5.0)
    slow, fast = (
        Lane(redis, name, Scope(redis, name, ()), lease=5.0, heartbeat=1.0, max_tries=9, concurrency=2)
        for name in ("slow", "fast")
    )
    ledger.accept("slow", [Delivery(order(str(n)), str(n)) for n in range(500)], "test")
    ledger.accept("fast", [Delivery(order("failing"), "failing")], "test")
    with fast.drain() as drain:
        (failing,) = drain.claim(50)
        drain.settle([(failing, Outcome("retry", "unavailable", delay=60.0))])
        ledger.accept("fast", [Delivery(order(f"old-{n}"), f"old-{n}") for n in range(500)], "backfill shop")
        ledger.accept("fast", [Delivery(order("fresh"), "fresh")], "test")
        assert [claim.reference for claim in drain.claim(50)] == ["fresh"]
    assert (slow.status()["queued"], fast.status()["backfilled"]) == (500, 500)


def test_row_19_retries_lost_with_redis_are_read_again_without_duplicates(
    make_pipeline: MakePipeline,
) -> None:
    accounts = ["retailcrm:main:orders=20:spread=86400", "dropday:main"]
    faults = ["dropday:create:500_after:times=3", "dropday:create:500:times=3:skip=6"]
    pipeline = make_pipeline(accounts=accounts, faults=faults).open()
    pipeline.poll()
    pipeline.deliver()
    assert pipeline.lane()["queued"]
    pipeline.rt.redis.flushall()
    pipeline.poll()
    pipeline.deliver_all()
    assert len(pipeline.created()) == len(set(pipeline.created())) == 20
    assert pipeline.compare().clean, str(pipeline.compare())


def test_row_21_a_replayed_order_is_not_blocked_by_its_first_attempt(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]))
    pushed = order("9").model_dump(mode="json", exclude_defaults=True, exclude={"provider"})
    rt.inbox.push([json.dumps({"v": 1, "provider": "web", "order": pushed})])
    take(rt)
    ((key, letter),) = rt.inbox.letters().items()
    rt.take_from("web")
    rt.inbox.replay(letter, key)
    take(rt)
    rt.warehouse.trouble = [Rejected("not yet")]
    deliver(rt)
    assert rt.lanes["t"].status()["dead_now"] == 1
    rt.stuck["t"].move("replay", ["web:9"])
    deliver(rt)
    assert references(rt) == ["9"]
