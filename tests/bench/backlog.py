"""Benchmark `backlog`: read a RetailCRM account with many orders behind its limit."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

import click

from bench import harness
from bench.figure import Figure, Measured
from bench.simulated import simulated

if TYPE_CHECKING:
    from bench.stage import Stage

#: Calls that the account accepts per second, and orders per response.
RATE, PAGE = 10, 100
CONFIG = """
[redis]
url = "{redis}"
[log]
level = "warning"
[providers.shop]
start = "2020-01-01"
kind = "retailcrm"
url = "{url}"
api_key = "env:BENCH_KEY"
[targets.dropday]
kind = "dropday"
url = "http://127.0.0.1:9"
api_key = "env:BENCH_KEY"
account_id = "env:BENCH_KEY"
[[routes]]
from = "shop"
to = ["dropday"]
also_create = ["cancelled", "returned", "excluded", "on_hold", "test"]
"""


class Run(NamedTuple):
    """Seconds from the first call to the end of the last one's slot, number of calls, refused calls in percent."""

    seconds: float
    calls: int
    refused: float


def read(stage: Stage) -> Run:
    """Read all orders and return the calls of the run."""
    with (
        simulated("retailcrm", f":key=key:orders={stage.orders}") as crm,
        harness.configure(stage.home, CONFIG.format(redis=stage.redis, url=crm.url)) as rt,
        harness.run_processes(harness.default_commands(), os.environ, stage.home),
    ):
        lane = rt.lanes["dropday"]
        lane.pause("only reading is measured")
        until = time.monotonic() + 60 + stage.orders / 100
        while int(lane.status().get("accepted_new", 0)) < stage.orders:
            if time.monotonic() > until:
                raise click.ClickException("not all orders were read in time")
            time.sleep(0.1)
        calls = crm.calls()
    times = [float(call["mono"]) for call in calls]
    refused = 100 * sum(call["status"] == 503 for call in calls) / len(calls)
    return Run(max(times) - min(times) + 1 / RATE, len(calls), refused)


def measure(stage: Stage) -> Measured:
    """Measure the reading of many orders of RetailCRM behind its limit."""
    runs = stage.alternate({"Intake": lambda: read(stage)})["Intake"]
    needed = tuple(run.calls / RATE for run in runs)
    name = f"{stage.orders:,} orders read from RetailCRM behind its limit"
    alternative = f"the limit's own time: {runs[-1].calls:,} calls at {RATE}/s"
    return Measured(
        [
            Figure(name, "s", tuple(run.seconds for run in runs), needed, alternative, "<= 1.05"),
            Figure("calls that RetailCRM refused to the reader", "%", tuple(r.refused for r in runs), goal="<= 1"),
        ]
    )
