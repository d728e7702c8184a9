"""Benchmark `distance`: a target that takes its time to answer, with and without a limit, beside others."""

from __future__ import annotations

import json
import os
import time
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

import click

from bench import bulk, harness
from bench.figure import Figure, Measured
from bench.launch import run_together
from bench.sink import python_target

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.sink import Python
    from bench.stage import Stage

#: Seconds that the other side takes at least, and the part of them that it may take longer.
LATENCIES = (0.0, 0.05, 0.1, 0.3)
JITTER = 0.2
#: The latency at which all sides are compared, and the threads of those that have threads.
COMPARED, THREADS = 0.1, 32
#: A limit in calls a second, and the latency behind it.
LIMITS = ((100, 0.1), (10, 0.3))
#: The latency of RetailCRM.
BULK_LATENCY = 0.5
#: Seconds of a run from its first order on; those of the first part do not count.
SECONDS, WARM_UP = 15.0, 3.0
#: Seconds within which the first order has to arrive.
START_TIMEOUT = 60.0

CONFIG = harness.CONFIG.replace('limit = "none"', 'limit = "{limit}"')


class Run(NamedTuple):
    """Accepted orders per second, refused calls in percent, and the most calls at once."""

    rate: float
    refused: float
    together: int


def watch(target: Python, orders: int) -> Run:
    """Wait for the first order, then until all have arrived or the time of a run is over, and return the rates."""
    until = time.monotonic() + START_TIMEOUT
    while not target.count():
        if time.monotonic() > until:
            raise click.ClickException(f"no order arrived within {START_TIMEOUT:.0f} s")
        time.sleep(0.05)
    until = time.monotonic() + SECONDS
    while time.monotonic() < until and target.count() < orders:
        time.sleep(0.1)
    hits = target.hits()
    begin = min(hit.at for hit in hits) + WARM_UP
    counted = [hit for hit in hits if hit.at >= begin]
    if len(counted) < 2:
        raise click.ClickException(f"{orders} orders are too few: all arrived while the run warmed up")
    accepted = [hit for hit in counted if hit.status == 200]
    rate = (len(accepted) - 1) / (max(hit.at for hit in accepted) - min(hit.at for hit in accepted))
    return Run(rate, 100 * (1 - len(accepted) / len(counted)), target.together())


def run_intake(stage: Stage, latency: float, limit: int = 0) -> Run:
    """Deliver orders with the settings that a new installation has, but for the limit."""
    with python_target(latency, latency * JITTER, limit) as target:
        config = CONFIG.format(redis=stage.redis, target=target.url, limit=f"{limit}/s" if limit else "none")
        with harness.configure(stage.home, config) as rt:
            harness.accept_orders(rt, "dropday", range(_orders(stage, limit)))
        with harness.run_processes(harness.default_commands(), os.environ, stage.home):
            return watch(target, _orders(stage, limit))


def _orders(stage: Stage, limit: int) -> int:
    """Return how many orders a run needs: no more than a limit lets through in its time."""
    return min(stage.orders, int(limit * SECONDS * 1.2)) if limit else stage.orders


def run_celery(stage: Stage, latency: float, pool: Literal["prefork", "threads"]) -> Run:
    """Deliver each order with a task of a plain Celery app: a process for each core, or threads."""
    with python_target(latency, latency * JITTER) as target:
        env = harness.environment(BROKER=stage.redis, TARGET=target.url)
        harness.queue_celery_orders(stage.redis, stage.orders)
        size = THREADS if pool == "threads" else os.cpu_count() or 1
        with harness.run_processes(harness.celery_commands(size, pool), env, stage.home):
            return watch(target, stage.orders)


def run_loop(stage: Stage, latency: float, threads: int) -> Run:
    """Deliver orders from memory, with `requests` in one thread or in a pool of threads."""
    with python_target(latency, latency * JITTER) as target:
        lines = [json.dumps([harness.make_order(n).model_dump(mode="json") for n in range(stage.orders)])]
        with run_together("loop", [[target.url, str(threads)]], lines):
            return watch(target, stage.orders)


def measure(stage: Stage) -> Measured:
    """Measure orders delivered per second, and the use of limits, at several latencies of the target."""
    figures = [*_compare(stage), *_limits(stage), *_bulk(stage)]
    return Measured(figures)


def _compare(stage: Stage) -> list[Figure]:
    """Compare all sides at one latency, and Intake with the best of Celery at the others."""
    threads = f"plain Celery, {THREADS} threads"
    sides: dict[str, Callable[[], Run]] = {
        f"Intake {latency}": partial(run_intake, stage, latency) for latency in LATENCIES
    }
    sides |= {f"{threads} {latency}": partial(run_celery, stage, latency, "threads") for latency in LATENCIES}
    others: dict[str, Callable[[], Run]] = {
        "plain Celery, a process for each core": partial(run_celery, stage, COMPARED, "prefork"),
        f"ThreadPoolExecutor({THREADS}) with requests": partial(run_loop, stage, COMPARED, THREADS),
        "a requests.Session loop": partial(run_loop, stage, COMPARED, 1),
    }
    results: dict[str, list[Run]] = stage.alternate({**sides, **others})
    rates = {name: tuple(run.rate for run in runs) for name, runs in results.items()}
    figures = []
    for latency in LATENCIES:
        figure, goal = f"orders delivered, target {latency * 1000:.0f} ms away", ">= 1.5" if latency == COMPARED else ""
        figures.append(Figure(figure, "/s", rates[f"Intake {latency}"], rates[f"{threads} {latency}"], threads, goal))
        if latency == COMPARED:
            figures += [Figure(figure, "/s", rates[f"Intake {latency}"], rates[name], name) for name in others]
    return figures


def _limits(stage: Stage) -> list[Figure]:
    figures = []
    for limit, latency in LIMITS:
        side: Callable[[], Run] = partial(run_intake, stage, latency, limit)
        runs = stage.alternate({"Intake": side})["Intake"]
        name = f"behind a limit of {limit}/s, {latency * 1000:.0f} ms away"
        use = tuple(100 * run.rate / limit for run in runs)
        figures += [
            Figure(f"use {name}", "%", use, goal=">= 95"),
            Figure(f"refused {name}", "%", tuple(run.refused for run in runs), goal="<= 0"),
        ]
    return figures


def _bulk(stage: Stage) -> list[Figure]:
    orders = min(stage.orders, 10_000)
    side: Callable[[], bulk.Run] = partial(bulk.deliver, stage, orders, bulk.BULK, BULK_LATENCY)
    runs = stage.alternate({"Intake": side})["Intake"]
    name = f"RetailCRM, {bulk.BULK} in a call, {BULK_LATENCY * 1000:.0f} ms away"
    return [
        Figure(f"orders into {name}", "/s", tuple(run.rate for run in runs), goal=">= 475"),
        Figure(f"refused by {name}", "%", tuple(run.refused for run in runs), goal="<= 0"),
    ]
