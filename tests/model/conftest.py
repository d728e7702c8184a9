"""Fixtures of all model tests: no logs, and fixed waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import structlog

from model.faults import WAIT
from model.ground import stepped_source
from worker.store.redis import scripts
from worker.store.redis.connection import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis


@pytest.fixture
def raw(redis_url: str) -> Iterator[Redis]:
    """Yield a connection that returns bytes, for the inbox."""
    client = connect(redis_url, text="raw")
    yield client
    client.close()


@pytest.fixture(autouse=True)
def _quiet(_logging_restored: None) -> None:
    """Silence the log: thousands of steps would write hundreds of thousands of lines."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))


@pytest.fixture(autouse=True)
def _fixed_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fix the backoff: whether a wait of some seconds is over would depend on the load of the machine."""
    monkeypatch.setattr("tasks.attempt.backoff", lambda _: WAIT)
    monkeypatch.setattr("tasks.outcomes.backoff", lambda _: WAIT)


@pytest.fixture(autouse=True)
def _clock_that_can_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "lua_source", stepped_source)
