"""Typed access to the results of a Redis connection that decodes them to text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from worker.store.orders.lanes import Lane


def text(value: object) -> str:
    """Return the value, which must be text although redis-py's types also allow bytes."""
    assert isinstance(value, str)
    return value


def command(redis: Redis, *words: bytes | str | float) -> Any:
    """Return the server's reply to a command that redis-py has no typed method for."""
    execute: Callable[..., Any] = redis.execute_command
    return execute(*words)


def key_names(redis: Redis, pattern: str = "*") -> list[str]:
    return [text(name) for name in redis.keys(pattern)]


def members(redis: Redis, name: str) -> list[str]:
    """Return the members of a sorted set, lowest score first."""
    return [text(member) for member in redis.zrange(name, 0, -1)]


def make_due(redis: Redis, lane: Lane) -> None:
    """Make every order that waits in the lane due at once."""
    due = members(redis, lane.keys.due)
    if due:
        redis.zadd(lane.keys.due, dict.fromkeys(due, 0))
