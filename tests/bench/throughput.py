"""Benchmark `throughput`: orders delivered per second, compared with plain Celery and with a bare loop."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, NamedTuple

import click
import psutil

from bench import harness
from bench.figure import Figure, Measured
from bench.launch import run_together
from bench.sink import sink

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.sink import Sink
    from bench.stage import Stage

#: Worker processes on each side.
PROCESSES = 2
#: Seconds without an order after which a run fails.
STALL_TIMEOUT = 60.0
#: The share of the orders that is not counted at each end: processes start and end at different moments.
_EDGE = 0.05


class Run(NamedTuple):
    """Orders per second, and milliseconds of processor time per order: of the processes and of Redis."""

    rate: float
    cpu_ms: float
    redis_ms: float


def watch(target: Sink, orders: int, cpu: Callable[[], float], redis: str) -> Run:
    """Wait until all orders have arrived, check that each arrived once, and return the rates."""
    samples: list[tuple[int, float, float]] = []
    progress, last = time.monotonic(), 0
    while (count := target.count()) < orders:
        if count > last:
            progress, last = time.monotonic(), count
        elif time.monotonic() - progress > STALL_TIMEOUT:
            raise click.ClickException(f"only {count} of {orders} orders arrived, and none for {STALL_TIMEOUT:.0f} s")
        if count > orders * _EDGE:
            samples.append((count, cpu(), harness.redis_cpu_seconds(redis)))
        time.sleep(0.2)
    times = sorted(hit.at for hit in target.hits())
    if len(times) != orders:
        raise click.ClickException(f"{len(times)} orders arrived, {orders} were sent")
    edge = int(orders * _EDGE)
    rate = (orders - 2 * edge) / (times[orders - edge - 1] - times[edge])
    if len(samples) < 2:
        return Run(rate, 0.0, 0.0)
    (first, cpu_then, redis_then), (end, cpu_now, redis_now) = samples[0], samples[-1]
    done = max(1, end - first)
    return Run(rate, 1000 * (cpu_now - cpu_then) / done, 1000 * (redis_now - redis_then) / done)


def run_intake(stage: Stage) -> Run:
    """Deliver orders through the ledger, a lane and `tasks.deliver`."""
    with sink(stage.home) as target:
        config = harness.CONFIG.format(redis=stage.redis, target=target.url)
        with harness.configure(stage.home, config) as rt:
            harness.accept_orders(rt, "dropday", range(stage.orders))
            with harness.run_processes(harness.intake_commands(PROCESSES), os.environ, stage.home) as processes:
                return watch(target, stage.orders, lambda: harness.cpu_seconds(processes), stage.redis)


def run_celery(stage: Stage) -> Run:
    """Deliver each order with a task of a plain Celery app."""
    with sink(stage.home) as target:
        env = harness.environment(BROKER=stage.redis, TARGET=target.url)
        harness.queue_celery_orders(stage.redis, stage.orders)
        with harness.run_processes(harness.celery_commands(PROCESSES), env, stage.home) as processes:
            return watch(target, stage.orders, lambda: harness.cpu_seconds(processes), stage.redis)


def run_loop(stage: Stage) -> Run:
    """Deliver orders from memory, with one `requests.Session` per process."""
    with sink(stage.home) as target:
        halves = [range(first, stage.orders, PROCESSES) for first in range(PROCESSES)]
        lines = [json.dumps([harness.make_order(n).model_dump(mode="json") for n in half]) for half in halves]
        with run_together("loop", [[target.url]] * PROCESSES, lines) as pids:
            processes = [psutil.Process(pid) for pid in pids]
            return watch(target, stage.orders, lambda: harness.cpu_seconds(processes), stage.redis)


def measure(stage: Stage) -> Measured:
    """Measure orders delivered per second into a local target without a limit, by two worker processes."""
    with sink(stage.home) as target:
        server = target.server
    bare = "a requests.Session loop"
    results = stage.alternate(
        {"Intake": lambda: run_intake(stage), "plain Celery": lambda: run_celery(stage), bare: lambda: run_loop(stage)}
    )
    note = f"{stage.orders:,} orders, {PROCESSES} worker processes, target: {server}"
    rates = {name: tuple(run.rate for run in runs) for name, runs in results.items()}
    cpu = {name: tuple(run.cpu_ms + run.redis_ms for run in runs) for name, runs in results.items()}
    delivered = "orders delivered"
    cpu_time = "processor time by order, with Redis"
    return Measured(
        [
            Figure(delivered, "/s", rates["Intake"], rates["plain Celery"], "plain Celery", ">= 4", note=note),
            Figure(delivered, "/s", rates["Intake"], rates[bare], f"{bare}, no queue, no ledger", ">= 1.4", note=note),
            Figure(cpu_time, "ms", cpu["Intake"], cpu["plain Celery"], "plain Celery", note=note),
            Figure(cpu_time, "ms", cpu["Intake"], cpu[bare], f"{bare}, no queue, no ledger", "<= 0.6", note=note),
        ]
    )
