"""A Redis that is full: its broker still takes messages, and drains are nudged and deliver, so that room is made."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from kombu import Connection, Exchange, Queue
from redis.exceptions import OutOfMemoryError

import tasks.deliver
import tasks.poll
import tasks.sweep
from support.fake_runtime import FakeRuntime, Shop
from support.orders import order
from worker.app.transport import install
from worker.store.feeds.work import read_work
from worker.store.orders.delivery import Delivery
from worker.store.redis import broker_client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis


@pytest.fixture
def full(redis: Redis) -> Iterator[FakeRuntime]:
    """Yield a runtime whose Redis became full when three orders waited and nothing sent them."""
    rt = FakeRuntime(redis, Shop([]))
    rt.ledger.accept("t", [Delivery(order(str(number)), f"R{number}") for number in range(3)], "test")
    redis.config_set("maxmemory", 1)
    yield rt
    redis.config_set("maxmemory", 0)


def test_the_next_sweep_nudges_a_drain_that_delivers_what_waits_once(full: FakeRuntime) -> None:
    tasks.sweep.sweep(full, full.nudge)
    assert ("deliver", "t") in full.nudged
    assert full.nudges.offer("deliver", "t")
    full.nudges.take("deliver", "t")
    tasks.deliver.deliver(full, "t", full.nudge, idle=0.1)
    assert sorted(reference for reference, _ in full.warehouse.created) == ["R0", "R1", "R2"]
    assert full.lanes["t"].status()["delivered"] == 3


@pytest.mark.parametrize("options", [{}, {"expires": 600.0}], ids=["lasting", "expiring"])
def test_the_broker_declares_sends_and_receives(full: FakeRuntime, redis_url: str, options: dict[str, Any]) -> None:
    install()
    queue = Queue("intake.probe", Exchange("intake.probe"), "intake.probe", **options)
    received: list[Any] = []

    def receive(body: Any, message: Any) -> None:
        received.append(body)
        message.ack()

    with Connection(redis_url) as connection, connection.Producer() as producer:
        producer.publish({"name": "é"}, exchange=queue.exchange, routing_key="intake.probe", declare=[queue])
        with connection.Consumer([queue], callbacks=[receive]):
            connection.drain_events(timeout=5)
    assert received == [{"name": "é"}]
    assert full.redis.zcard("unacked_index") == 0


def test_a_queue_that_nobody_reads_does_not_grow_in_a_full_redis(
    full: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_client, "MOST_MESSAGES", 2)
    client = broker_client.BrokerClient(connection_pool=full.redis.connection_pool)
    assert [client.lpush("intake.probe", "a"), client.lpush("intake.probe", "b")] == [1, 2]
    with pytest.raises(OutOfMemoryError):
        client.lpush("intake.probe", "c")


def test_a_provider_is_not_read_in_vain_each_second(full: FakeRuntime) -> None:
    full.shop.pages = [[{"id": "7"}], [{"id": "8"}]]
    full.poll_every(30)
    tasks.poll.poll(full, "shop", full.nudge)
    assert read_work(full.redis, {"shop": 3600.0}) == {"shop": []}
    assert full.cursors.status("shop")["error"] == "store_full: Redis is full (maxmemory)"
    full.redis.config_set("maxmemory", 0)
    tasks.poll.poll(full, "shop", full.nudge, gap=-1)
    assert (full.cursors.status("shop")["value"], full.shop.asked.count("0")) == ("2", 2)


def test_the_listener_asks_again_later(full: FakeRuntime) -> None:
    began = time.monotonic()
    assert not full.inbox.wait(1)
    assert time.monotonic() - began >= 1
