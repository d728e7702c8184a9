"""Benchmark `lanes`: the use of each of fifty limits while all lanes have waiting orders."""

from __future__ import annotations

import os
import statistics
import time
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

import click

from bench import harness
from bench.figure import Figure, Measured
from bench.sink import python_target, sink

if TYPE_CHECKING:
    from bench.sink import Sink
    from bench.stage import Stage

LANES = 50
RATE = 10
#: Workers, and threads of each. There is a thread for each drain, because a drain mostly waits for its limit.
WORKERS, THREADS = 2, 40
#: Seconds that the distant targets take to respond, at least, and the part of them that they may take longer.
AWAY, JITTER = 0.1, 0.2
#: Seconds in which all lanes must start, and seconds after that which are not counted.
START_TIMEOUT, SETTLE = 60.0, 3.0
_HEAD = """
[redis]
url = "{redis}"
[log]
level = "warning"
[providers.shop]
start = "2020-01-01"
kind = "retailcrm"
url = "http://127.0.0.1:9"
api_key = "env:BENCH_KEY"
"""
_TARGET = """
[targets.t{n}]
kind = "dropday"
url = "{url}/t{n}"
api_key = "env:BENCH_KEY"
account_id = "env:BENCH_KEY"
limit = "{rate}/s"
{more}"""


def _config(redis: str, url: str, more: str) -> str:
    names = ", ".join(f'"t{n}"' for n in range(LANES))
    targets = "".join(_TARGET.format(n=n, url=url, rate=RATE, more=more) for n in range(LANES))
    return f'{_HEAD.format(redis=redis)}{targets}\n[[routes]]\nfrom = "shop"\nto = [{names}]\n'


def _times(target: Sink) -> dict[str, list[float]]:
    times: dict[str, list[float]] = defaultdict(list)
    for hit in target.hits():
        times[hit.path.split("/")[1]].append(hit.at)
    return times


def measure_use(stage: Stage) -> list[float]:
    """Return the use of each limit in percent, with near targets and a thread for each lane."""
    with sink(stage.home) as target:
        return _use(stage, target, harness.threaded_commands(WORKERS, THREADS), "concurrency = 1\n")


def measure_away(stage: Stage) -> list[float]:
    """Return the same with distant targets and all default settings."""
    with python_target(AWAY, AWAY * JITTER) as target:
        return _use(stage, target, harness.default_commands())


def _use(stage: Stage, target: Sink, commands: list[list[str]], more: str = "") -> list[float]:
    """Return the use of each limit in percent, from the start of the last lane to the end of the first."""
    with harness.configure(stage.home, _config(stage.redis, target.url, more)) as rt:
        for n in range(LANES):
            harness.accept_orders(rt, f"t{n}", range(n * stage.orders, (n + 1) * stage.orders))
    with harness.run_processes(commands, os.environ, stage.home):
        until = time.monotonic() + START_TIMEOUT + 1.5 * stage.orders / RATE
        while max((len(times) for times in _times(target).values()), default=0) < stage.orders:
            if time.monotonic() > until:
                raise click.ClickException("no lane was done in time")
            time.sleep(1)
        times = _times(target)
    if len(times) < LANES:
        raise click.ClickException(f"only {len(times)} of {LANES} lanes had begun when the first was done")
    start = max(min(lane) for lane in times.values()) + SETTLE
    done = min(max(lane) for lane in times.values() if len(lane) >= stage.orders)
    if done - start < SETTLE:
        raise click.ClickException("the lanes did not run side by side for long enough: give it more --orders")
    return sorted(100 * sum(start <= at < done for at in lane) / (done - start) / RATE for lane in times.values())


def measure(stage: Stage) -> Measured:
    """Measure fifty lanes of 10/s on two worker processes, with orders waiting in all of them; then far away."""
    results = stage.alternate({"near": partial(measure_use, stage), "away": partial(measure_away, stage)})
    note = f"{LANES} lanes of {RATE}/s, {stage.orders} orders in each, {WORKERS} workers of {THREADS} threads"
    away_note = f"the same, responses after {1000 * AWAY:.0f} to {1000 * AWAY * (1 + JITTER):.0f} ms, all defaults"
    figures = []
    for where, words, about in (("near", "", note), ("away", f", {1000 * AWAY:.0f} ms away", away_note)):
        runs = results[where]
        least, middle = tuple(run[0] for run in runs), tuple(map(statistics.median, runs))
        figures += [
            Figure(f"use of the least used limit{words}", "%", least, goal=">= 95", note=about),
            Figure(f"use of a limit, median of all{words}", "%", middle, goal=">= 95", note=about),
        ]
    return Measured(figures, {"use of each limit, %": [round(value, 1) for value in results["near"][-1]]})
