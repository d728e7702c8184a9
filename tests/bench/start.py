"""Benchmark `start`: how soon `intake up` delivers its first order, what that costs, and its memory afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click
import psutil

from bench import harness
from bench.figure import Figure, Measured
from bench.simulated import simulated
from worker.process.intake_orders import command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.simulated import Simulated
    from bench.stage import Stage

_CONFIG: Final = """
[providers.shop]
start = "2020-01-01"
kind = "retailcrm"
url = "{source}"
api_key = "env:BENCH_KEY"
poll_every = "2s"
[targets.sink]
kind = "dropday"
url = "{target}"
api_key = "env:BENCH_KEY"
account_id = "env:BENCH_KEY"
placeholder = "-"
[[routes]]
from = "shop"
to = ["sink"]
also_create = ["cancelled", "returned", "excluded", "on_hold", "test"]
"""
#: `intake up`, which forks its processes; and the same, started in a way in which it executes each of them.
FORKED: Final = command("worker.cli", "up", "--yes")
EXECUTED: Final = [sys.executable, "-P", "-c", "from worker.cli import main; main()", "up", "--yes"]
#: Seconds in which an order has to arrive.
_PATIENCE: Final = 60.0
_MB: Final = 2**20


class Start(NamedTuple):
    """Seconds until the order arrived, processor time of all processes until then, megabytes of memory later."""

    seconds: float
    cpu: float
    memory: float


def _started(stage: Stage, words: Sequence[str], target: Simulated, orders: int) -> Start:
    """Start `intake up`, wait until the target has the given number of orders, measure its memory, and stop it."""
    env = harness.environment(INTAKE_CONFIG=str(stage.home / "up" / "intake.toml"), BENCH_KEY="key")
    began = time.monotonic()
    quiet = subprocess.DEVNULL
    with subprocess.Popen(words, env=env, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True) as up:
        try:
            while target.orders() < orders:
                if time.monotonic() - began > _PATIENCE or up.poll() is not None:
                    raise click.ClickException("the order did not arrive")
                time.sleep(0.02)
            seconds = time.monotonic() - began
            cpu = harness.cpu_seconds([psutil.Process(up.pid)])
            time.sleep(max(0.0, began + stage.orders - time.monotonic()))
            processes = [
                process
                for process in harness.with_children([psutil.Process(up.pid)])
                if not process.name().startswith("valkey")
            ]
            return Start(seconds, cpu, sum(process.memory_full_info().pss for process in processes) / _MB)
        finally:
            up.terminate()
            up.wait()


def run(stage: Stage, words: Sequence[str]) -> tuple[Start, Start]:
    """Return the very first start of an installation with one provider and one target, and its second one."""
    home = stage.home / "up"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    with simulated("retailcrm", ":key=key:orders=1") as source, simulated("dropday", ":key=key:account_id=key") as sink:
        Path(home, "intake.toml").write_text(_CONFIG.format(source=source.url, target=sink.url))
        first = _started(stage, words, sink, 1)
        source.add(1)
        return first, _started(stage, words, sink, 2)


def measure(stage: Stage) -> Measured:
    """Measure the first and the second start, beside those of an `intake up` that executes each process."""
    os.environ.pop("INTAKE_CONFIG", None)
    results = stage.alternate({"forked": partial(run, stage, FORKED), "executed": partial(run, stage, EXECUTED)})
    figures = []
    for number, which in enumerate(("first start", "second start")):
        ours, theirs = ([pair[number] for pair in results[side]] for side in ("forked", "executed"))
        for name, unit, goal in (("seconds", "s", "<= 2"), ("cpu", "s", ""), ("memory", "MB", "<= 250")):
            what = {
                "seconds": "first order delivered after",
                "cpu": "processor time until then, all processes",
                "memory": f"memory (PSS) without Redis, {stage.orders} s after the start",
            }[name]
            figures.append(
                Figure(
                    f"{which} of intake up: {what}",
                    unit,
                    tuple(getattr(start, name) for start in ours),
                    tuple(getattr(start, name) for start in theirs),
                    "each process executed",
                    goal,
                    "ours",
                )
            )
    return Measured(figures)
