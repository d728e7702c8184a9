"""`/ready` of `intake receive` is true: it is 200 exactly while Redis would take a job."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from starlette.routing import Route

from schemas.job import INBOX
from support.redis_states import always, closing, serving
from worker.inbox.receiver.service import service
from worker.store.inbox import Inbox
from worker.store.redis.connection import connect

if TYPE_CHECKING:
    from redis import Redis


def ready(redis: Redis) -> tuple[int, str]:
    """Return the status and the reason of `/ready` with this Redis."""
    app = service([], Inbox(redis, lease=30, heartbeat=5), 1000, 10.0)
    (endpoint,) = [route.endpoint for route in app.routes if isinstance(route, Route) and route.path == "/ready"]
    response: Any = asyncio.run(endpoint(None))
    return response.status_code, json.dumps(json.loads(response.body))


def test_it_is_ready_and_writes_nothing(redis: Redis) -> None:
    assert ready(redis)[0] == 200
    assert redis.dbsize() == 0
    redis.lpush(INBOX, "a job")
    assert ready(redis)[0] == 200
    assert redis.lrange(INBOX, 0, -1) == ["a job"]


def test_a_full_redis_and_an_inbox_that_is_none_are_not_ready(redis: Redis) -> None:
    redis.config_set("maxmemory", 1)
    try:
        assert (ready(redis)[0], "Redis is full" in ready(redis)[1]) == (503, True)
    finally:
        redis.config_set("maxmemory", 0)
    redis.set(INBOX, "somebody's")
    assert (ready(redis)[0], "is no list" in ready(redis)[1]) == (503, True)


def test_a_read_only_replica_is_not_ready(redis: Redis) -> None:
    redis.replicaof("127.0.0.1", "9")
    try:
        status, reason = ready(redis)
    finally:
        redis.replicaof("NO", "ONE")
    assert (status, "read-only replica" in reason) == (503, True)
    assert ready(redis)[0] == 200


def test_a_database_that_there_is_not_is_not_ready(redis_url: str) -> None:
    with connect(redis_url.rpartition("/")[0] + "/9999", patience="short") as other:
        assert (ready(other)[0], "no database with this number" in ready(other)[1]) == (503, True)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("NOPERM User metrics has no permissions to run the 'setrange' command", "does not let this user"),
        ("NOAUTH Authentication required.", "requires a password"),
        ("MISCONF Redis is configured to save RDB snapshots", "cannot write to its disk"),
        ("LOADING Redis is loading the dataset in memory", "still loading"),
        ("NOREPLICAS Not enough good replicas to write.", "no replica that keeps up"),
    ],
)
def test_a_redis_that_refuses_is_not_ready_and_says_why(answer: str, reason: str) -> None:
    with serving(always(answer)) as port, connect(f"redis://127.0.0.1:{port}/0", patience="short") as other:
        assert (ready(other)[0], reason in ready(other)[1]) == (503, True)


def test_a_redis_that_is_away_is_not_ready() -> None:
    with serving(closing) as port, connect(f"redis://127.0.0.1:{port}/0", patience="short") as other:
        assert ready(other)[0] == 503
