"""A rolling restart: what the release before has in Redis, this one carries on with, and loses and doubles nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tasks.deliver
import tasks.poll
import tasks.sweep
from support.fake_runtime import Shop, Story

if TYPE_CHECKING:
    from redis import Redis

#: Redis as the release before left it when it was killed: eight orders in every state there was, one unreadable record.
DATA = Path(__file__).parent / "data" / "previous_release.json"


def restore(redis: Redis) -> None:
    for key, (kind, value) in json.loads(DATA.read_text("utf-8")).items():
        write: dict[str, Any] = {
            "hash": lambda key, value: redis.hset(key, mapping=value),
            "zset": redis.zadd,
            "set": lambda key, value: redis.sadd(key, *value),
            "list": lambda key, value: redis.rpush(key, *value),
            "string": redis.set,
        }
        write[kind](key, value)


def test_the_orders_of_the_release_before_are_carried_on_with(redis: Redis) -> None:
    restore(redis)
    pages: list[list[dict[str, Any]]] = [[{"id": n, "version": n} for n in range(1, 9)], [{"id": "x", "bad": 1}]]
    story = Story(redis, Shop(pages))
    story.warehouse.created = [("1", None), ("5", None), ("6", None)]  # type: ignore[list-item]
    tasks.sweep.sweep(story, story.wake)  # type: ignore[arg-type]
    tasks.deliver.deliver(story, "t", story.wake)  # type: ignore[arg-type]
    states = {n: story.state(str(n))["state"] for n in range(1, 9)}
    assert states == dict.fromkeys(range(1, 9), "delivered") | {2: "dead", 3: "in_doubt"}
    assert [reference for reference, _ in story.warehouse.created] == ["1", "5", "6", "7", "8", "4"]
    assert list(story.cursors.letters("shop")) == ["x"]


def test_what_was_delivered_by_the_release_before_is_not_taken_for_changed(redis: Redis) -> None:
    restore(redis)
    story = Story(redis, Shop([[{"id": n, "version": n} for n in range(1, 9)]]))
    redis.hset("intake:cursor:shop", "value", "0")
    redis.hdel("intake:cursor:shop", "finished", "retry_at")
    tasks.poll.poll(story, "shop", story.wake)  # type: ignore[arg-type]
    assert story.lanes["t"].status()["accepted_same"] == 8
