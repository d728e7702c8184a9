"""Benchmark `rhythm`: hundreds of providers polled into hundreds of lanes: rhythm, idle processor time, memory."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import click
import psutil

from bench import harness
from bench.figure import Figure, Measured
from bench.latency import percentile
from bench.simulated import simulated

if TYPE_CHECKING:
    from bench.simulated import Simulated
    from bench.stage import Stage

#: Seconds from poll to poll, and those that the other side takes to respond.
EVERY: Final = 60
LATENCY: Final = 0.1
#: Polls of each provider that count, after the first one.
POLLS: Final = 4
#: Seconds in which every provider must have been polled once.
START_TIMEOUT: Final = 120.0
_PAIR: Final = """
[providers.shop{n}]
start = "2020-01-01"
kind = "dropday"
url = "{base}/dropday/a{n}"
api_key = "env:BENCH_KEY"
account_id = "env:BENCH_KEY"
poll_every = "{every}s"
[targets.sink{n}]
kind = "dropday"
url = "{base}/dropday/b{n}"
api_key = "env:BENCH_KEY"
account_id = "env:BENCH_KEY"
[[routes]]
from = "shop{n}"
to = ["sink{n}"]
"""


def _polls(system: Simulated) -> dict[str, list[float]]:
    """Return the times of the lists that each provider fetched."""
    times: dict[str, list[float]] = defaultdict(list)
    for call in system.calls():
        name = call["path"].split("/")[2]
        if call["method"] == "GET" and name.startswith("a"):
            times[name].append(float(call["mono"]))
    return times


def _starts(calls: list[float]) -> list[float]:
    """Return the first call of each poll: the calls of one poll follow each other at once."""
    return [at for before, at in zip([-1e9, *calls], calls, strict=False) if at - before > EVERY / 4]


def _wait(system: Simulated, pairs: int, polls: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    while min((len(_starts(calls)) for calls in _polls(system).values()), default=0) < polls or (
        len(_polls(system)) < pairs
    ):
        if time.monotonic() > until:
            raise click.ClickException(f"not every provider was polled {polls} times in time")
        time.sleep(2)


def run(stage: Stage) -> dict[str, float]:
    """Poll every provider several times; return the rhythm (s), the processor time (%) and the memory (MB)."""
    pairs = stage.orders
    accounts = [
        argument
        for n in range(pairs)
        for name in (f"a{n}", f"b{n}")
        for argument in ("--account", f"dropday:{name}:key=key:account_id=key:orders={2 if name[0] == 'a' else 0}")
    ]
    slow = ["--limit", "dropday=off", "--fault", f"dropday:*:slow:seconds={LATENCY}"]
    with simulated("dropday", ":key=key:account_id=key", *accounts, *slow) as system:
        text = f'[redis]\nurl = "{stage.redis}"\n[log]\nlevel = "warning"\n' + "".join(
            _PAIR.format(n=n, base=system.base, every=EVERY) for n in range(pairs)
        )
        harness.configure(stage.home, text).close()
        with harness.run_processes(harness.default_commands(), os.environ, stage.home) as processes:
            _wait(system, pairs, 1, START_TIMEOUT)
            began, used = time.monotonic(), harness.cpu_seconds(processes) + harness.redis_cpu_seconds(stage.redis)
            _wait(system, pairs, POLLS + 1, EVERY * (POLLS + 2))
            used = harness.cpu_seconds(processes) + harness.redis_cpu_seconds(stage.redis) - used
            seconds = time.monotonic() - began
            memory = sum(member.memory_full_info().pss for member in harness.with_children(processes))
            polls = _polls(system)
    starts = [_starts(calls) for calls in polls.values()]
    gaps = sorted(later - earlier for times in starts for earlier, later in pairwise(times))
    return {"p95": percentile(gaps, 0.95), "processor": 100 * used / seconds, "memory": memory / 1e6}


def measure(stage: Stage) -> Measured:
    """Measure the rhythm of polls, the processor time and the memory while few orders arrive."""
    if not hasattr(psutil.Process().memory_full_info(), "pss"):
        raise click.ClickException("the memory of several processes is measured on Linux only")
    runs = stage.alternate({"Intake": lambda: run(stage)})["Intake"]
    pairs = f"{stage.orders} providers into {stage.orders} lanes"
    note = f"polled every {EVERY} s, responses after {1000 * LATENCY:.0f} ms, all defaults, Redis included in the time"
    rows = (
        ("from poll to poll, p95", "s", "p95", "<= 61"),
        ("processor time, of one core", "%", "processor", "<= 10"),
        ("memory of all processes (PSS)", "MB", "memory", "<= 600"),
    )
    return Measured(
        [
            Figure(f"{pairs}: {words}", unit, tuple(run[name] for run in runs), goal=goal, note=note)
            for words, unit, name, goal in rows
        ]
    )
