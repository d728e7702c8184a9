"""What a connection of Redis that decodes its answers returns, as the text that it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from worker.store.orders.lanes import Lane


def text(value: object) -> str:
    """Return the value, which must be text: redis-py's types allow bytes as well."""
    assert isinstance(value, str)
    return value


def command(redis: Redis, *words: bytes | str | float) -> Any:
    """Return what the server answers to a command for which redis-py has no method with types."""
    execute: Callable[..., Any] = redis.execute_command
    return execute(*words)


def key_names(redis: Redis, pattern: str = "*") -> list[str]:
    return [text(name) for name in redis.keys(pattern)]


def members(redis: Redis, name: str) -> list[str]:
    """Return the members of a sorted set, the lowest score first."""
    return [text(member) for member in redis.zrange(name, 0, -1)]


def make_due(redis: Redis, lane: Lane) -> None:
    """Make every order that waits in the lane due at once."""
    due = members(redis, lane.keys.due)
    if due:
        redis.zadd(lane.keys.due, dict.fromkeys(due, 0))
