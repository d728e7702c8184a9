"""Fixtures of the simulation's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis import Redis

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def raw(redis: Redis, redis_url: str) -> Iterator[Redis]:
    """Yield a connection to the emptied server that returns raw replies."""
    client = Redis.from_url(redis_url, protocol=2)
    yield client
    client.close()
