"""Deaths: an order or a job pays only for a process that died while it held that one alone."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from schemas.job import INBOX
from support.fake_runtime import FakeRuntime, Shop
from support.orders import order
from worker.app.timed_request import TimedRequest
from worker.errors import LeaseLost, OutOfTime, StoreFull, Unavailable
from worker.store.inbox import POISON as MOST_TAKERS
from worker.store.orders.delivery import Delivery
from worker.store.orders.lanes import POISON

if TYPE_CHECKING:
    from redis import Redis

    from support.settings_texts import Configured

LEASE = 0.1
#: Errors that end a run although its process lives, or is asked to stop.
EXCUSES = [
    LeaseLost("taken over"),
    StoreFull("full"),
    StoreFull("no replica"),
    OutOfTime("the time is over"),
    Unavailable("503"),
    RedisConnectionError(),
    RedisTimeoutError(),
    KeyboardInterrupt(),
    SystemExit(0),
]


def named(error: BaseException) -> str:
    return f"{type(error).__name__} {error}".strip()


@pytest.fixture
def rt(redis: Redis) -> FakeRuntime:
    rt = FakeRuntime(redis, Shop([]), lease=LEASE)
    rt.ledger.accept("t", [Delivery(order("1"), "1")], "test")
    rt.inbox.push(['{"v": 1, "provider": "shop", "external_id": "1"}'])
    return rt


def lose_drain(rt: FakeRuntime, most: int = 1) -> None:
    """Claim orders in a process that dies, and sweep when its lease is over."""
    rt.lanes["t"].drain().claim(most)
    time.sleep(LEASE * 1.1)
    rt.lanes["t"].sweep()


def lose_taker(rt: FakeRuntime, most: int = 1) -> None:
    """Take jobs in a process that dies, and free them when its lease is over."""
    rt.inbox.taker().take(most)
    time.sleep(LEASE * 1.1)
    rt.inbox.free()


@pytest.mark.parametrize("error", EXCUSES, ids=named)
def test_an_order_that_is_given_up_is_free_at_once_and_pays_nothing(rt: FakeRuntime, error: BaseException) -> None:
    lane = rt.lanes["t"]
    for _ in range(POISON + 1):
        with suppress(type(error)), lane.drain() as drain:
            assert drain.claim(1)
            raise error
        lane.excuses.send()  # as the next drain does, if Redis was away
        assert lane.sweep().freed == 1
    assert rt.state("1")["state"] == "queued"
    assert not rt.state("1").keys() & {"lost", "died"}


@pytest.mark.parametrize("error", EXCUSES, ids=named)
def test_a_job_that_is_given_up_is_free_at_once_and_pays_nothing(rt: FakeRuntime, error: BaseException) -> None:
    for _ in range(MOST_TAKERS + 1):
        with suppress(type(error)), rt.inbox.taker() as taker:
            assert taker.take(1).jobs
            raise error
        rt.inbox.excuses.send()
        assert rt.inbox.free() == 1
    assert not rt.redis.exists(f"{INBOX}:lost")


def test_jobs_that_are_given_up_keep_their_order(rt: FakeRuntime) -> None:
    rt.inbox.push(["2", "3"])
    with suppress(StoreFull), rt.inbox.taker() as taker:
        first = taker.take(3).jobs
        raise StoreFull("full")
    rt.inbox.free()
    with rt.inbox.taker() as taker:
        assert taker.take(3).jobs == first
        taker.finish({}, [])


@pytest.mark.parametrize("unexpected", [False, True])
def test_an_order_that_ends_each_process_that_holds_it_alone_is_buried(rt: FakeRuntime, *, unexpected: bool) -> None:
    """An error of ours that stands in the way of the whole lane counts like a death: the order may be its cause."""
    for _ in range(POISON):
        assert rt.state("1")["state"] == "queued"
        if unexpected:
            with suppress(KeyError), rt.lanes["t"].drain() as drain:
                raise KeyError(drain.claim(1))
        lose_drain(rt)
    assert (rt.state("1")["state"], rt.state("1")["code"]) == ("dead", "poison")


def test_an_order_does_not_pay_for_a_process_that_held_others_too(rt: FakeRuntime) -> None:
    rt.ledger.accept("t", [Delivery(order("2"), "2")], "test")
    lose_drain(rt, most=2)
    assert [rt.state(number).get("died") for number in "12"] == [None, None]


def test_a_job_does_not_pay_for_a_process_that_held_others_too(rt: FakeRuntime) -> None:
    rt.inbox.push(["2"])
    lose_taker(rt, most=2)
    assert not rt.redis.exists(f"{INBOX}:lost")
    lose_taker(rt)
    assert rt.redis.hlen(f"{INBOX}:lost") == 1


def test_a_process_that_lives_takes_back_that_it_was_taken_for_dead(rt: FakeRuntime) -> None:
    """Let a process stand still for longer than its lease, with an order and a job in hand."""
    with suppress(LeaseLost), rt.lanes["t"].drain() as drain, rt.inbox.taker() as taker:
        (claim,), (job,) = drain.claim(1), taker.take(1).jobs
        for heartbeat in (drain._heartbeat, taker._heartbeat):
            heartbeat._done.set()
        time.sleep(LEASE * 1.1)
        assert (rt.lanes["t"].sweep().freed, rt.inbox.free()) == (1, 1)
        assert (rt.state("1")["died"], rt.redis.hlen(f"{INBOX}:lost")) == (drain.name, 1)
        drain.check()
    assert (claim.key, bool(job)) == ("shop:1", True)
    assert "died" not in rt.state("1")
    assert not rt.redis.exists(f"{INBOX}:lost")


def test_a_process_that_was_asked_to_stop_may_be_killed(rt: FakeRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("worker.store.orders.drains", "worker.store.inbox"):
        monkeypatch.setattr(f"{module}.stopping", lambda: True)
    drain, taker = rt.lanes["t"].drain(), rt.inbox.taker()
    drain.claim(1)
    taker.take(1)
    assert drain._renew()
    assert taker._renew()
    time.sleep(LEASE * 1.1)
    assert (rt.lanes["t"].sweep().freed, rt.inbox.free()) == (1, 1)
    assert not rt.state("1").keys() & {"lost", "died"}
    assert not rt.redis.exists(f"{INBOX}:lost")


def test_an_order_does_not_pay_for_the_time_limit_of_celery(
    configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane, killed = configured.open().lanes["dropday"], TimedRequest.__new__(TimedRequest)
    killed.worker_pid = str(os.getpid())
    monkeypatch.setattr(TimedRequest, "args", ("dropday",))
    monkeypatch.setattr("celery.worker.request.Request.on_timeout", lambda *_: None)
    other = f"{socket.gethostname()}-{os.getpid()}0-other"
    lane.redis.zadd(lane.keys.drains, {(drain := lane.drain()).name: time.time() * 1000, other: time.time() * 1000})
    killed.on_timeout(soft=False, timeout=110)
    assert not drain._renew(), "the process lives for a moment yet"
    excused = lane.redis.zrange(lane.keys.drains, 1, 1, byscore=True)
    assert excused == [drain.name]
