"""Benchmark `accounts`: the processor time of commands and of the upkeep, while the number of accounts grows."""

from __future__ import annotations

import resource
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from bench import harness
from bench.figure import Figure, Measured
from bench.launch import run_program

if TYPE_CHECKING:
    from bench.stage import Stage

#: Pairs of a provider and a target.
PAIRS: Final = (1, 10, 100, 300)
_PAIR: Final = """
[providers.shop{n}]
start = "2020-01-01"
kind = "retailcrm"
url = "https://shop{n}.example"
api_key = "env:BENCH_KEY"
[targets.sink{n}]
kind = "dropday"
url = "https://sink{n}.example"
api_key = "env:BENCH_KEY"
account_id = "env:BENCH_KEY"
[[routes]]
from = "shop{n}"
to = ["sink{n}"]
"""


def _configure(stage: Stage, pairs: int) -> None:
    """Write settings with these accounts, of which the first pair has one order."""
    text = f'[redis]\nurl = "{stage.redis}"\n' + "".join(_PAIR.format(n=n or "") for n in range(pairs))
    with harness.configure(stage.home, text) as rt:
        harness.accept_orders(rt, "sink", range(1))


def command_seconds(*words: str) -> float:
    """Return the processor time of a command of `intake`, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "worker.cli", *words]
    done = subprocess.run(command, env=harness.environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"intake {' '.join(words)} failed: {done.stderr[-500:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def run(stage: Stage, pairs: int) -> dict[str, float]:
    """Return the processor time of each kind of work with so many pairs of accounts, in seconds."""
    _configure(stage, pairs)
    upkeep = run_program("upkeep")
    return {
        "intake status": command_seconds("status"),
        "intake show": command_seconds("show", "shop:0"),
        "a sweep of all lanes": upkeep["sweep"],
    }


def measure(stage: Stage) -> Measured:
    """Measure commands and a sweep with 1, 10, 100 and 300 pairs of accounts, each beside one pair."""
    sizes = [pairs for pairs in PAIRS if pairs <= stage.orders]
    runs = stage.alternate({f"{pairs} pairs": partial(run, stage, pairs) for pairs in sizes})
    goals = {"intake status": "<= 350", "intake show": "<= 350"}
    figures = []
    for work in runs[f"{sizes[0]} pairs"][0]:
        alone = tuple(1000 * each[work] for each in runs[f"{sizes[0]} pairs"])
        figures.append(Figure(f"processor time: {work}, 1 pair of accounts", "ms", alone, goal=goals.get(work, "")))
        for pairs in sizes[1:]:
            own = tuple(1000 * each[work] for each in runs[f"{pairs} pairs"])
            figures.append(Figure(f"processor time: {work}, {pairs} pairs", "ms", own, alone, "1 pair"))
    return Measured(figures)
