"""The connection to Redis."""

from __future__ import annotations

from typing import Any, Literal

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import (
    BusyLoadingError,
    ConnectionError,  # noqa: A004  # redis-py's own name
    NoPermissionError,
    OutOfMemoryError,
    RedisError,
    ResponseError,
    TimeoutError,  # noqa: A004  # redis-py's own name
)
from redis.retry import Retry

from worker.errors import StoreFull
from worker.store.redis.failpoints import with_failpoints
from worker.store.redis.sentinel import SentinelAddress, is_sentinel_address

#: What a Redis that is away, full or not ours raises.
ERRORS: tuple[type[Exception], ...] = (RedisError,)
#: What it raises for a command that its user has no right to.
FORBIDDEN: type[Exception] = NoPermissionError
#: How long a command that failed is repeated.
Patience = Literal["long", "short"]
#: Seconds that one answer may take; a script takes under a millisecond, so this is a dead server.
TIMEOUT = 5.0


def as_store_full(error: ResponseError) -> StoreFull | None:
    """What a Redis says that takes no writes now, in memory or on its disk: StoreFull; None for any other refusal."""
    if isinstance(error, OutOfMemoryError):
        return StoreFull("Redis is full (maxmemory)")
    if str(error).startswith("MISCONF"):
        return StoreFull("Redis cannot write to its disk, and takes no writes")
    if str(error).startswith("NOREPLICAS"):
        return StoreFull("Redis has no replica that keeps up, and takes no writes")
    return None


def client(kind: type[Redis], url: str, **options: Any) -> Redis:
    """A client of the server at `url`, or of the master that the Sentinels at `url` name."""
    if is_sentinel_address(url):
        return SentinelAddress.parse(url).client(kind, **options)
    return kind.from_url(url, **options)


def connect(url: str, *, text: Literal["decoded", "raw"] = "decoded", patience: Patience = "long") -> Redis:
    """Connect to `url`; answers come as text, or as the bytes they are, for what strangers wrote.

    A command that failed is repeated for about six seconds: that is a restart of the server, and less than a lease.
    Every script may be repeated (each says how), so a lost answer costs nothing. Where somebody waits for the answer
    and can come again himself, `patience` is short: once more, because the old connection may be dead, and no longer.
    """
    return client(
        with_failpoints(Redis),
        url,
        decode_responses=text == "decoded",
        socket_timeout=TIMEOUT if patience == "long" else 2.0,
        socket_connect_timeout=2.0 if patience == "long" else 1.0,
        socket_keepalive=True,
        health_check_interval=30,
        # Two: connecting is tried again inside of each try, which makes about six seconds.
        retry=Retry(ExponentialBackoff(cap=1.0, base=0.25), 2 if patience == "long" else 1),
        retry_on_error=[BusyLoadingError, ConnectionError, TimeoutError],
    )
