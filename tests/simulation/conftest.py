"""What the tests of the simulation ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis import Redis

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def raw(redis: Redis, redis_url: str) -> Iterator[Redis]:
    """Return a connection to the emptied server that returns raw responses."""
    client = Redis.from_url(redis_url, protocol=2)
    yield client
    client.close()
