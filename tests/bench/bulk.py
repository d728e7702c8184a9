"""Benchmark `bulk`: orders per second into RetailCRM behind its limit, in bulk and one by one."""

from __future__ import annotations

import math
import os
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import click

from bench import harness
from bench.figure import Figure, Measured
from bench.simulated import simulated

if TYPE_CHECKING:
    from bench.stage import Stage

#: Orders in one call ("orders/upload"), and calls that the account accepts per second.
BULK, RATE = 50, 10
CONFIG = """
[redis]
url = "{redis}"
[log]
level = "warning"
[providers.shop]
start = "2020-01-01"
kind = "dropday"
url = "http://127.0.0.1:9"
api_key = "env:BENCH_KEY"
account_id = "env:BENCH_KEY"
[targets.crm]
kind = "retailcrm"
url = "{url}"
api_key = "env:BENCH_KEY"
time_zone = "UTC"
currency = "EUR"
bulk = {bulk}
[[routes]]
from = "shop"
to = ["crm"]
also_create = ["cancelled", "returned", "excluded", "on_hold", "test"]
"""


class Run(NamedTuple):
    """Orders per second, seconds from the first call to the end of the last one's slot, refused calls in percent."""

    rate: float
    seconds: float
    refused: float


def deliver(stage: Stage, orders: int, bulk: int, latency: float = 0.0) -> Run:
    """Deliver orders into a RetailCRM that refuses an eleventh call in a second, and is `latency` seconds away."""
    away = ["--fault", f"retailcrm:*:slow_after:seconds={latency}"] if latency else []
    with simulated("retailcrm", ":key=key", *away) as crm:
        with harness.configure(stage.home, CONFIG.format(redis=stage.redis, url=crm.url, bulk=bulk)) as rt:
            harness.accept_orders(rt, "crm", range(orders))
        with harness.run_processes(harness.default_commands(), os.environ, stage.home):
            until = time.monotonic() + 60 + orders / 5
            while crm.orders() < orders:
                if time.monotonic() > until:
                    raise click.ClickException("not all orders arrived in time")
                time.sleep(0.5)
            calls = crm.calls()
    times = [float(call["mono"]) for call in calls]
    seconds = max(times) - min(times) + 1 / RATE
    return Run(orders / seconds, seconds, 100 * sum(call["status"] == 503 for call in calls) / len(calls))


def measure(stage: Stage) -> Measured:
    """Measure orders into RetailCRM behind its limit, 50 per call, and one by one (a hundredth as many)."""
    few = max(50, stage.orders // 100)
    sides = {"50 in a call": partial(deliver, stage, stage.orders, BULK), "one by one": partial(deliver, stage, few, 1)}
    results = stage.alternate(sides)
    many, single = results["50 in a call"], results["one by one"]
    needed = math.ceil(stage.orders / BULK) / RATE
    count = f"{stage.orders:,} orders"
    least = tuple(needed for _ in many)
    rates = tuple(run.rate for run in many)
    return Measured(
        [
            Figure(
                f"{count} into RetailCRM behind its limit",
                "s",
                tuple(run.seconds for run in many),
                least,
                f"the limit's own time: {stage.orders // BULK:,} calls at {RATE}/s",
                "<= 1.05",
            ),
            Figure(
                "orders into RetailCRM, 50 in a call",
                "/s",
                rates,
                tuple(run.rate for run in single),
                f"one by one ({few} orders)",
                ">= 40",
            ),
            Figure("calls that RetailCRM refused", "%", tuple(run.refused for run in many), goal="<= 1"),
        ]
    )
