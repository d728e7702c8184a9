"""Benchmark `throughput`: orders delivered per second, beside plain Celery and beside a bare loop."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, NamedTuple

import click
import psutil
from celery import Celery

from bench import harness
from bench.figure import Figure, Measured
from bench.launch import crew
from bench.sink import sink
from worker.store.redis.connection import connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.sink import Sink
    from bench.stage import Stage

#: Worker processes of each side.
PROCESSES = 2
#: Seconds that may pass without an order.
PATIENCE = 60.0
#: The share of the orders at either end that is not counted: processes start, and end, at different moments.
_EDGE = 0.05


class Run(NamedTuple):
    """Orders per second; processor time by order in milliseconds: of the processes, and of Redis."""

    rate: float
    cpu_ms: float
    redis_ms: float


def watch(target: Sink, orders: int, cpu: Callable[[], float], redis: str) -> Run:
    """Wait until all orders have arrived, each once."""
    seen: list[tuple[int, float, float]] = []
    moved, last = time.monotonic(), 0
    while (count := target.count()) < orders:
        if count > last:
            moved, last = time.monotonic(), count
        elif time.monotonic() - moved > PATIENCE:
            raise click.ClickException(f"only {count} of {orders} orders arrived, and none for {PATIENCE:.0f} s")
        if count > orders * _EDGE:
            seen.append((count, cpu(), harness.server_seconds(redis)))
        time.sleep(0.2)
    times = sorted(hit.at for hit in target.hits())
    if len(times) != orders:
        raise click.ClickException(f"{len(times)} orders arrived, {orders} were sent")
    edge = int(orders * _EDGE)
    rate = (orders - 2 * edge) / (times[orders - edge - 1] - times[edge])
    if len(seen) < 2:
        return Run(rate, 0.0, 0.0)
    (first, cpu_then, redis_then), (end, cpu_now, redis_now) = seen[0], seen[-1]
    done = max(1, end - first)
    return Run(rate, 1000 * (cpu_now - cpu_then) / done, 1000 * (redis_now - redis_then) / done)


def ours(stage: Stage) -> Run:
    """Through ledger, lane and `tasks.deliver`."""
    with sink(stage.home) as target:
        config = harness.CONFIG.format(redis=stage.redis, target=target.url, processes=PROCESSES)
        with harness.configure(stage.home, config) as rt:
            harness.fill(rt, "dropday", range(stage.orders))
            with harness.running(harness.ours(PROCESSES), os.environ, stage.home) as processes:
                return watch(target, stage.orders, lambda: harness.cpu_seconds(processes), stage.redis)


def plain(stage: Stage) -> Run:
    """Through a Celery task for each order."""
    with sink(stage.home) as target:
        env = harness.environment(BROKER=stage.redis, TARGET=target.url)
        app = Celery("plain", broker=stage.redis)
        app.backend_cls = "disabled://"
        connect(stage.redis).flushall()
        with app.producer_pool.acquire(block=True) as producer:
            for number in range(stage.orders):
                order = harness.make_order(number).model_dump(mode="json")
                app.send_task("create", args=(order,), producer=producer)
        with harness.running(harness.theirs(PROCESSES), env, stage.home) as processes:
            return watch(target, stage.orders, lambda: harness.cpu_seconds(processes), stage.redis)


def loop(stage: Stage) -> Run:
    """Out of memory, one `requests.Session` in each process."""
    with sink(stage.home) as target:
        halves = [range(first, stage.orders, PROCESSES) for first in range(PROCESSES)]
        lines = [json.dumps([harness.make_order(n).model_dump(mode="json") for n in half]) for half in halves]
        with crew("loop", [[target.url]] * PROCESSES, lines) as pids:
            running = [psutil.Process(pid) for pid in pids]
            return watch(target, stage.orders, lambda: harness.cpu_seconds(running), stage.redis)


def measure(stage: Stage) -> Measured:
    """Orders delivered per second into an unlimited local target, by two worker processes."""
    with sink(stage.home) as target:
        what = target.what
    bare = "a requests.Session loop"
    found = stage.alternate(
        {"Intake": lambda: ours(stage), "plain Celery": lambda: plain(stage), bare: lambda: loop(stage)}
    )
    note = f"{stage.orders:,} orders, {PROCESSES} worker processes, target: {what}"
    rates = {name: tuple(run.rate for run in runs) for name, runs in found.items()}
    cpu = {name: tuple(run.cpu_ms + run.redis_ms for run in runs) for name, runs in found.items()}
    mine = "orders delivered"
    spent = "processor time by order, with Redis"
    return Measured(
        [
            Figure(mine, "/s", rates["Intake"], rates["plain Celery"], "plain Celery", ">= 4", note=note),
            Figure(mine, "/s", rates["Intake"], rates[bare], f"{bare}, no queue, no ledger", ">= 1.2", note=note),
            Figure(spent, "ms", cpu["Intake"], cpu["plain Celery"], "plain Celery", note=note),
            Figure(spent, "ms", cpu["Intake"], cpu[bare], f"{bare}, no queue, no ledger", note=note),
        ]
    )
