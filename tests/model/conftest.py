"""What every test of the model needs: silence, and waits that do not end by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import structlog

from worker.store.redis.connection import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis


@pytest.fixture
def raw(redis_url: str) -> Iterator[Redis]:
    """A connection that gives bytes, for the inbox."""
    client = connect(redis_url, text="raw")
    yield client
    client.close()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Thousands of steps log hundreds of thousands of lines."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _no_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait of some milliseconds would end or not end by how busy the machine is."""
    monkeypatch.setattr("tasks.attempt.backoff", lambda _: 5.0)
    monkeypatch.setattr("tasks.outcomes.backoff", lambda _: 5.0)
