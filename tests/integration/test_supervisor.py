"""The supervisor with real processes: a program that dies is restarted, and no process is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from worker.store.redis import embedded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DRIVER = """
import json, os, sys
from worker.cli.run.supervisor import Program, Supervisor
programs, grace = json.loads(sys.argv[1])
Supervisor([Program(name, command) for name, command in programs], os.environ, grace=grace).run()
print("left in order", flush=True)
"""
#: Prints its process id, and prints "bye" before it exits on SIGTERM.
POLITE = """
import os, signal, sys, time
def end(*_):
    print("bye", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("pid", os.getpid(), flush=True)
while True:
    time.sleep(0.05)
"""
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(300)"
)
CELERY_APP = """
import time
from celery import Celery
app = Celery("app", broker={url!r})
app.conf.update(task_ignore_result=True, worker_hijack_root_logger=False)

@app.task(name="hold")
def hold():
    open({started!r}, "w").close()
    time.sleep(300)
"""


def python(code: str) -> list[str]:
    return [sys.executable, "-u", "-c", code]


class Run:
    """A supervisor in its own process, and its output."""

    def __init__(self, home: Path, programs: list[tuple[str, list[str]]], grace: float) -> None:
        self.output = home / "output"
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", DRIVER, json.dumps([programs, grace])],
                stdout=out,
                stderr=out,
                cwd=home,
                start_new_session=True,
            )
        self.seen: dict[int, psutil.Process] = {}

    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def below(self) -> list[psutil.Process]:
        """Return the descendants of the supervisor, and remember them for `left`."""
        descendants = psutil.Process(self.process.pid).children(recursive=True)
        self.seen |= {process.pid: process for process in descendants}
        return descendants

    def left(self) -> list[psutil.Process]:
        """Return the remembered processes that still run; a zombie does not."""
        alive = []
        for process in self.seen.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                    alive.append(process)
        return alive


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start(*programs: tuple[str, list[str]], grace: float = 10.0) -> Run:
        runs.append(Run(tmp_path, list(programs), grace))
        return runs[-1]

    yield start
    for run in runs:
        with contextlib.suppress(psutil.NoSuchProcess):
            run.below()
        run.process.kill()
        run.process.wait()
        for process in run.left():
            process.kill()


def test_a_killed_program_is_restarted(supervise: Callable[..., Run]) -> None:
    run = supervise(("one", python(POLITE)), ("two", python(POLITE)))
    until(lambda: run.text().count("pid") == 2)
    first = run.below()
    victim = next(p for p in first if f"one | pid {p.pid}" in run.text())
    victim.kill()
    until(lambda: run.text().count("one | pid") == 2)
    assert run.text().count("two | pid") == 1
    assert "one | ended with -9" in run.text()


def test_a_program_that_keeps_dying_is_restarted_with_growing_delays(supervise: Callable[..., Run]) -> None:
    run = supervise(("bad", python("print('start')")))
    time.sleep(6)
    # Started at 0, 1, 3 and 7 s, not every 0.1 s.
    assert 2 <= run.text().count("| start") <= 4


def test_ctrl_c_ends_the_programs_in_reverse_order_and_leaves_nothing(supervise: Callable[..., Run]) -> None:
    run = supervise(("base", python(POLITE)), ("top", python(POLITE)))
    until(lambda: run.text().count("pid") == 2)
    run.below()
    # Like a terminal, signal the whole process group of the supervisor.
    os.killpg(run.process.pid, signal.SIGINT)
    assert run.process.wait(10) == 0
    text = run.text()
    assert text.index("top  | bye") < text.index("base | bye") < text.index("left in order")
    assert run.left() == []
    assert "Traceback" not in text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_sigterm_and_sighup_stop_like_ctrl_c(supervise: Callable[..., Run], number: signal.Signals) -> None:
    run = supervise(("one", python(POLITE)))
    until(lambda: "pid" in run.text())
    run.below()
    run.process.send_signal(number)
    assert run.process.wait(10) == 0
    assert "bye" in run.text()
    assert run.left() == []


def test_nohup_is_heeded_and_the_end_is_reported(supervise: Callable[..., Run]) -> None:
    ignored = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        run = supervise(("one", python(POLITE)))
    finally:
        signal.signal(signal.SIGHUP, ignored)
    until(lambda: "pid" in run.text())
    run.process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        run.process.wait(0.5)
    run.process.send_signal(signal.SIGTERM)
    assert run.process.wait(10) == 0
    assert run.text().endswith("up  | all processes have ended\nleft in order\n")


def test_a_program_that_cannot_be_started_is_tried_again(supervise: Callable[..., Run]) -> None:
    run = supervise(("gone", ["/nonexistent/program"]), ("one", python(POLITE)))
    until(lambda: run.text().count("gone | cannot be started: no such file or directory") == 2)
    assert "one  | pid" in run.text()
    run.process.terminate()
    assert run.process.wait(10) == 0


def test_a_program_that_ends_before_it_is_ready_ends_all_with_its_own_reason(tmp_path: Path) -> None:
    code = DRIVER.replace("Program(name, command) for", "Program(name, command, lambda: False) for")
    programs = json.dumps([[["base", python("print('no room')")], ["top", python(POLITE)]], 5.0])
    done = subprocess.run(
        [sys.executable, "-c", code, programs], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 1
    assert "ConfigError: base: start: it ended with 0 before it was ready" in done.stderr
    assert "base | no room" in done.stderr
    assert "top  |" not in done.stderr


def test_a_program_that_does_not_exit_is_killed_after_the_grace_period(supervise: Callable[..., Run]) -> None:
    run = supervise(("polite", python(POLITE)), ("mule", python(STUBBORN)), grace=1.0)
    until(lambda: "| up" in run.text() and "pid" in run.text())
    run.below()
    began = time.monotonic()
    run.process.terminate()
    assert run.process.wait(10) == 0
    assert 0.9 < time.monotonic() - began < 5
    assert run.left() == []
    # The program that started before it still gets SIGTERM, and time to exit.
    assert "bye" in run.text()


def test_a_second_ctrl_c_kills_at_once(supervise: Callable[..., Run]) -> None:
    run = supervise(("mule", python(STUBBORN)), grace=60.0)
    until(lambda: "| up" in run.text())
    run.below()
    run.process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert run.process.poll() is None
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(5) == 0
    assert run.left() == []


def test_the_children_of_a_dead_program_end_with_it(supervise: Callable[..., Run]) -> None:
    child = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)']);"
    run = supervise(("parent", python(child + "print('up', flush=True); time.sleep(300)")))
    until(lambda: "| up" in run.text() and len(run.below()) == 2)
    orphan = next(p for p in run.below() if p.ppid() != run.process.pid)
    next(p for p in run.below() if p.ppid() == run.process.pid).kill()
    until(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE)


def test_a_line_is_passed_on_whole_or_in_parts_and_in_no_encoding_fails(supervise: Callable[..., Run]) -> None:
    code = "import os; os.write(1, b'\\xff\\n' + b'a' * 200_000 + b'\\nlast'); import time; time.sleep(0.2)"
    run = supervise(("one", python(code)))
    until(lambda: "| last" in run.text())
    lines = [line.removeprefix("one | ") for line in run.text().splitlines()]
    assert lines[0] == "\ufffd"
    assert "".join(lines[1 : lines.index("last")]) == "a" * 200_000


@pytest.mark.parametrize("reader", ["gone", "asleep"])
def test_output_that_is_not_read_blocks_no_program(tmp_path: Path, reader: str) -> None:
    done = tmp_path / "done"
    talk = f"import time\nfor _ in range(30000): print('x' * 100)\nopen({str(done)!r}, 'w').close()\ntime.sleep(300)"
    programs = json.dumps([[["talker", python(talk)]], 5.0])
    process = subprocess.Popen([sys.executable, "-c", DRIVER, programs], stdout=-1, stderr=-1)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        process.stderr.readline()
        if reader == "gone":
            process.stderr.close()
        until(done.exists)
    finally:
        process.terminate()
        with process:
            try:
                assert process.wait(15) == 0
            finally:
                process.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_kill_9_of_the_supervisor_leaves_no_celery_worker_no_pool_process_and_no_valkey(
    supervise: Callable[..., Run], tmp_path: Path
) -> None:
    server = embedded.prepare(tmp_path / ".intake")
    started = tmp_path / "started"
    (tmp_path / "held.py").write_text(CELERY_APP.format(url=server.url, started=str(started)))
    worker = [sys.executable, "-m", "celery", "-A", "held", "worker", "-c", "2", "--without-gossip", "--without-mingle"]
    run = supervise(("valkey", list(server.command)), ("worker", worker))
    try:
        embedded.wait_ready(server.url, 20)
        send = [sys.executable, "-c", "import held; held.hold.delay()"]
        subprocess.run(send, cwd=tmp_path, check=True)
        until(started.exists, 40)
        # Valkey, the worker and two pool processes, one of which is running a task.
        assert len(run.below()) == 4
        run.process.kill()
        run.process.wait()
        until(lambda: run.left() == [], 5)
    finally:
        server.release()
