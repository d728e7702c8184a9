"""The facts that a Redis server reports about itself."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.store.redis import catalog
from worker.store.redis.address import RedisAddress, is_sentinel_address
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis import Redis

#: The options of a client that asks once.
ONCE: Final[dict[str, Any]] = {
    "decode_responses": True,
    "socket_timeout": 5.0,
    "socket_connect_timeout": 3.0,
    "retry": Retry(NoBackoff(), 0),
}
#: The fields of INFO about the last writes to the disk.
_WRITES: Final = ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status")


@dataclass(frozen=True, slots=True)
class Server:
    """The facts that decide whether orders are safe in it; memory in bytes, `limit` is None without a limit."""

    name: str
    version: tuple[int, ...]
    policy: str
    limit: int | None
    used: int
    appends: bool
    last_write_ok: bool
    replica: bool
    cluster: bool = False
    #: Replicas that keep up, behind Sentinels; None if the server would accept writes without any.
    good_replicas: int | None = 0
    behind_sentinels: bool = False


def inspect(url: str) -> Server:
    """Ask the server once, by `INFO`, which is allowed where `CONFIG` is not.

    Raises:
        redis.exceptions.RedisError: The server does not respond, or not to this user; `INFO` may be forbidden.
    """
    # redis-py treats a wrong password as a lost connection, and would repeat it for minutes.
    with RedisAddress.parse(url).client(**ONCE) as redis:
        info: dict[str, Any] = redis.info()
    return replace(parse_info(info), behind_sentinels=is_sentinel_address(url))


def measure(url: str) -> tuple[float, float]:
    """Return the seconds that a response takes (the fastest of five), and those by which its clock is ahead of ours.

    Raises:
        redis.exceptions.RedisError: The server does not respond.
    """
    measured: list[tuple[float, float]] = []
    with RedisAddress.parse(url).client(**ONCE) as redis:
        redis.ping()
        for _ in range(5):
            began = time.time()
            seconds, micros = redis.time()
            took = time.time() - began
            measured.append((took, seconds + micros / 1e6 - began - took / 2))
    return min(measured)


def parse_info(info: Mapping[str, Any]) -> Server:
    """Return the facts in the response to `INFO`."""
    valkey = "valkey_version" in info
    version = str(info["valkey_version"] if valkey else info.get("redis_version", "0"))
    return Server(
        name=f"{'Valkey' if valkey else 'Redis'} {version}",
        # Valkey also reports the Redis version that it is compatible with.
        version=tuple(int(part) for part in str(info.get("redis_version", "0")).split(".") if part.isdigit()),
        policy=str(info.get("maxmemory_policy", "unknown")),
        limit=int(info.get("maxmemory", 0)) or None,
        used=int(info.get("used_memory", 0)),
        appends=bool(info.get("aof_enabled", 0)),
        last_write_ok=all(info.get(name, "ok") == "ok" for name in _WRITES),
        replica=info.get("role", "master") != "master",
        cluster=bool(info.get("cluster_enabled")),
        # INFO has this field only if min-replicas-to-write is set.
        good_replicas=info.get("min_slaves_good_slaves"),
    )


def may_write(redis: Redis) -> bool:
    """Return whether this user of Redis may write: one that may only read is no fault of the server."""
    return bool(Scripts(redis)(catalog.MAY_WRITE, probe="intake:probe"))
