"""`intake demo` as a user runs it: its last line, exit code, Ctrl-C, and the processes that it leaves."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from support.processes import last_words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Demo:
    """A running demo and its descendant processes."""

    def __init__(self, home: Path, orders: int) -> None:
        self.output = home / "output"
        command = [sys.executable, "-c", "from worker.cli import main; main()", "demo", "--orders", str(orders)]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen([*command, "--keep", str(home / "demo")], stdout=output, stderr=output)
        self.descendants: dict[int, psutil.Process] = {}

    def look(self) -> dict[int, psutil.Process]:
        """Note the descendants of the demo and return all that were ever seen."""
        for process in psutil.Process(self.process.pid).children(recursive=True):
            self.descendants[process.pid] = process
        return self.descendants

    def left(self) -> list[str]:
        """Return the command lines of the descendants that still run."""
        _, alive = psutil.wait_procs(list(self.descendants.values()), timeout=5)
        return [" ".join(process.cmdline()) for process in alive if process.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    running = Demo(tmp_path, 20)
    yield running
    if running.process.poll() is None:
        running.process.kill()
    running.process.wait()


@pytest.mark.timeout(120)
def test_the_demo_ends_with_its_comparison_and_leaves_nothing_running(demo: Demo) -> None:
    while demo.process.poll() is None:
        demo.look()
        time.sleep(0.5)
    output = demo.output.read_text()
    assert "72 orders, 72 created, 0 lost, 0 duplicated" in output
    assert demo.process.returncode == 0, output
    assert demo.left() == []


@pytest.mark.timeout(120)
def test_a_demo_that_lost_orders_reports_it_and_exits_with_1(demo: Demo) -> None:
    while not (up := [p for p in demo.look().values() if last_words(p) == ["up", "--yes"]]):
        time.sleep(0.05)
    up[0].kill()
    assert demo.process.wait(timeout=60) == 1
    assert re.search(r"\d+ orders, \d+ created, [1-9]\d* lost, 0 duplicated", demo.output.read_text())
    assert demo.left() == []


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("number", "delay"),
    [
        pytest.param(signal.SIGKILL, 0.5, marks=pytest.mark.repeat),
        pytest.param(signal.SIGTERM, 0.5, marks=pytest.mark.repeat),
        pytest.param(signal.SIGKILL, 4.0, marks=pytest.mark.repeat),
        (signal.SIGINT, 4.0),
    ],
)
def test_stopping_the_demo_at_any_time_leaves_nothing_running(demo: Demo, number: signal.Signals, delay: float) -> None:
    until = time.monotonic() + delay
    while time.monotonic() < until:
        demo.look()
        time.sleep(0.05)
    demo.process.send_signal(number)
    assert demo.process.wait(timeout=60) != 0
    assert demo.left() == []
