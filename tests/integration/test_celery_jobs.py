"""`tasks.ingest`, for producers that have only a Celery client: its message is kept until the job is in the inbox."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from celery.exceptions import Reject
from kombu import Connection, Queue
from redis.exceptions import ReadOnlyError

import tasks.listen
from schemas.job import INBOX
from support.fake_runtime import FakeRuntime, Shop
from tasks.listen import push_job
from worker.app.kept_request import KeptRequest
from worker.app.transport import install
from worker.http.task_time import time_for_calls
from worker.store.redis import broker_client
from worker.store.redis.connection import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis


@pytest.fixture
def rt(redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRuntime]:
    monkeypatch.setattr(tasks.listen, "PAUSE", 0.01)
    with connect(redis_url, patience="short") as impatient:
        rt = FakeRuntime(impatient, Shop([]))
        yield rt
    redis.config_set("maxmemory", 0)
    redis.replicaof("NO", "ONE")


def fill(redis: Redis) -> None:
    redis.config_set("maxmemory", 1)


def demote(redis: Redis) -> None:
    redis.replicaof("127.0.0.1", "1")


def promote(redis: Redis) -> None:
    redis.replicaof("NO", "ONE")


def inbox(redis: Redis) -> list[Any]:
    return list(redis.lrange(INBOX, 0, -1))


@pytest.mark.parametrize(("job", "pushed"), [('{"v": 1}', '{"v": 1}'), ({"v": 1}, '{"v": 1}'), (None, "null")])
def test_whatever_a_message_has_is_pushed_as_text(rt: FakeRuntime, redis: Redis, job: object, pushed: str) -> None:
    push_job(lambda: rt, job)
    assert inbox(redis) == [pushed]


def test_half_of_a_surrogate_pair_reaches_the_inbox(rt: FakeRuntime) -> None:
    push_job(lambda: rt, "\ud800")
    assert inbox(rt.inbox.redis) == [b"\xed\xa0\x80"]


def test_a_full_redis_gets_the_message_back(rt: FakeRuntime, redis: Redis) -> None:
    """Deliveries make room, and need the process."""
    fill(redis)
    with pytest.raises(Reject) as rejected:
        push_job(lambda: rt, "{}")
    assert rejected.value.requeue  # type: ignore[attr-defined]  # its stubs
    assert inbox(redis) == []


def test_a_redis_that_takes_no_writes_is_waited_for(rt: FakeRuntime, redis: Redis) -> None:
    demote(redis)
    threading.Timer(0.7, promote, [redis]).start()
    push_job(lambda: rt, "{}")
    assert inbox(redis) == ["{}"]


@pytest.mark.parametrize("end", ["time", "stop"])
def test_a_task_that_must_end_while_it_waits_gives_the_message_back(
    rt: FakeRuntime, redis: Redis, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    demote(redis)
    monkeypatch.setattr(tasks.listen, "stopping", lambda: end == "stop")
    with time_for_calls(0.0 if end == "time" else 99.0), pytest.raises(Reject) as rejected:
        push_job(lambda: rt, "{}")
    assert rejected.value.requeue  # type: ignore[attr-defined]  # its stubs


@pytest.mark.parametrize("settle", ["acknowledge", "reject"])
@pytest.mark.parametrize("closed", [True, False])
def test_a_message_that_cannot_be_settled_ends_no_worker(
    settle: str, monkeypatch: pytest.MonkeyPatch, *, closed: bool
) -> None:
    def refuse(*_: object) -> None:
        raise AttributeError if closed else ReadOnlyError

    monkeypatch.setattr(f"celery.worker.request.Request.{settle}", refuse)
    request = KeptRequest.__new__(KeptRequest)
    request._message = SimpleNamespace(channel=SimpleNamespace(closed=closed))  # type: ignore[attr-defined]
    getattr(request, settle)()


def test_a_message_goes_back_into_the_longest_queue_of_a_full_redis(
    redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    install()
    monkeypatch.setattr(broker_client, "MOST_MESSAGES", 1)
    queue = Queue("intake.probe", routing_key="intake.probe")
    with Connection(redis_url) as connection, connection.Producer() as producer:
        for number in "12":
            producer.publish(number, routing_key="intake.probe", declare=[queue])
        taken: list[Any] = []
        with connection.Consumer([queue], callbacks=[lambda _, message: taken.append(message)], prefetch_count=1):
            connection.drain_events(timeout=5)
            fill(redis)
            try:
                taken[0].requeue()
                assert redis.llen("intake.probe") == 2
            finally:
                redis.config_set("maxmemory", 0)
    assert redis.hlen("unacked") == 0
