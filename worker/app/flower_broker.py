"""The client by which Flower reads the lengths of queues: with the values of the ledger's client.

Flower parses the broker's URL by itself, and misses the database of a Redis behind Sentinels or of a socket, and all
Sentinels but the first.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from worker.store.redis.address import RedisAddress

#: Seconds that Flower waits for a connection and for a response.
_CONNECT, _TIMEOUT = 1.0, 2.0


def use_in_flower(redis: str | None) -> None:
    """Let Flower read the queues by our client of the Redis at this address, if that is the broker."""
    if redis is None:
        return
    address = redis
    views: Any = import_module("flower.views")
    broker = import_module("flower.utils.broker")

    class Redis(broker.RedisBase):  # type: ignore[misc, name-defined]  # Flower has no types
        def __init__(self, url: str, **options: Any) -> None:
            super().__init__(url, **options)
            self.redis = queue_client(address)

    views.Broker = Redis


def queue_client(url: str) -> Any:
    """Return a client for asyncio."""
    return RedisAddress.parse(url).async_client(socket_connect_timeout=_CONNECT, socket_timeout=_TIMEOUT)


async def queue_length(url: str) -> int:
    """Return how many messages wait in a queue, as Flower reads it."""
    client = queue_client(url)
    try:
        return int(await client.llen("intake.deliver"))
    finally:
        await client.aclose()
