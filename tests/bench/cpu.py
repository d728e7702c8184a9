"""Benchmark `cpu`: the processor time of an order by part, from the source's API to the target."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

import click

from bench import harness
from bench.figure import Figure, Measured
from bench.simulated import simulated
from bench.sink import sink

if TYPE_CHECKING:
    from pathlib import Path

    from bench.stage import Stage

#: Seconds per order after which a run fails.
_SLOWEST = 0.05
#: The modules of each part. The innermost frame of one of these modules decides the part of a stack.
PARTS: Final = {
    "HTTP": ("worker.http.client", "worker.http.connection", "requests", "urllib3", "http"),
    "ledger": ("worker.store", "redis"),
    "normalize": (
        *(f"worker.systems.dropday.{module}" for module in ("provider", "walk", "order")),
        "worker.systems.parsing",
    ),
    "shape for the target": ("worker.systems.dropday.target",),
    "log": ("worker.telemetry.log", "structlog", "logging"),
    "the history": ("tasks",),
    "Celery": ("celery", "kombu", "billiard"),
}
CONFIG = """
[redis]
url = "{redis}"
[log]
level = "info"
[providers.shop]
start = "2020-01-01"
kind = "dropday"
url = "{url}"
limit = "none"
api_key = "env:BENCH_KEY"
account_id = "env:BENCH_KEY"
include_test = true
[targets.sink]
kind = "dropday"
url = "{target}"
api_key = "env:BENCH_KEY"
account_id = "env:BENCH_KEY"
limit = "none"
placeholder = "-"
concurrency = 1
[[routes]]
from = "shop"
to = ["sink"]
also_create = ["cancelled", "returned", "excluded", "on_hold", "test"]
"""


def part_of(stack: str) -> str:
    """Return the part of a stack; everything outside of a task belongs to Celery."""
    modules = [frame.partition(":")[0] for frame in stack.split(";")]
    if not any(module.startswith("tasks") for module in modules):
        return "Celery"
    for module in reversed(modules):
        for part, owners in PARTS.items():
            if any(module == owner or module.startswith(f"{owner}.") for owner in owners):
                return part
    return "the history"


def _read_samples(directory: Path) -> Counter[str]:
    stacks: Counter[str] = Counter()
    for file in directory.glob("*.json"):
        stacks.update(json.loads(file.read_text(encoding="utf-8")))
    return stacks


def sample(stage: Stage) -> dict[str, float]:
    """Return the milliseconds of processor time per order by part, for orders from Dropday into Dropday."""
    samples = stage.home / "samples"
    samples.mkdir(exist_ok=True)
    for old in samples.glob("*.json"):
        old.unlink()
    options = f":key=key:account_id=key:orders={stage.orders}:missing_ids=0"
    with simulated("dropday", options, "--limit", "dropday=off") as source, sink(stage.home) as target:
        config = CONFIG.format(redis=stage.redis, url=source.url, target=target.url)
        with harness.configure(stage.home, config) as rt:
            env = harness.environment(SAMPLES=str(samples))
            before = harness.redis_cpu_seconds(stage.redis)
            with harness.run_processes(harness.sampled_commands(), env, stage.home) as processes:
                until = time.monotonic() + 60 + stage.orders * _SLOWEST
                while int(rt.lanes["sink"].status().get("delivered", 0)) < stage.orders:
                    if time.monotonic() > until:
                        raise click.ClickException("not all orders were delivered in time")
                    time.sleep(0.2)
                used = sum(sum(child.cpu_times()[:2]) for child in processes[0].children())
                server = harness.redis_cpu_seconds(stage.redis) - before
    stacks = _read_samples(samples)
    (stage.home / "stacks.json").write_text(json.dumps(stacks))
    counts: Counter[str] = Counter()
    for stack, count in stacks.items():
        counts[part_of(stack)] += count
    milliseconds = 1000 * used / stage.orders / counts.total()
    return {part: count * milliseconds for part, count in counts.most_common()} | {
        "Redis itself": 1000 * server / stage.orders
    }


def measure(stage: Stage) -> Measured:
    """Measure the processor time by part; HTTP should be the largest, because it is the actual work."""
    runs = stage.alternate({"Intake": lambda: sample(stage)})["Intake"]
    note = f"{stage.orders:,} orders, read from a simulated Dropday, delivered into nginx, log level info"
    parts = sorted(runs[0], key=lambda part: -runs[0][part])
    figures = [
        Figure(f"processor time by order: {part}", "ms", tuple(run.get(part, 0.0) for run in runs), note=note)
        for part in parts
    ]
    http = tuple(run["HTTP"] for run in runs)
    most = tuple(max(ms for part, ms in run.items() if part != "HTTP") for run in runs)
    figures.append(Figure("HTTP", "ms", http, most, "the largest other part", ">= 1", note=note))
    stacks = json.loads((stage.home / "stacks.json").read_text(encoding="utf-8"))
    return Measured(figures, {"parts": runs[-1], "stacks": dict(Counter(stacks).most_common(300))})
