"""Benchmark `limit`: the use of a strict limit and the refused calls, compared with other limiters."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from bench.figure import Figure, Measured
from bench.launch import run_together
from bench.sink import sink
from worker.store.redis.connection import connect

if TYPE_CHECKING:
    from bench.stage import Stage

#: Calls that the server accepts per second, evenly spaced.
RATE = 10
#: The limiters: keys of `LIMITERS` in programs/caller.py. OTHERS do not space calls, so they are measured once.
SPACED = {"Intake": "intake", "PyrateLimiter, 1 per 100 ms": "pyrate-spaced"}
OTHERS = {"limits, 10 per second": "limits", "PyrateLimiter, 10 per second": "pyrate"}
PROCESSES = (1, 4, 16)
#: The number of processes with which OTHERS are measured.
_MIDDLE = 4


class Run(NamedTuple):
    """Accepted calls per second, and refused calls in percent."""

    accepted: float
    refused: float


def run_callers(stage: Stage, limiter: str, processes: int) -> Run:
    """Let processes call as often as their limiter permits, for as long as `stage.orders` calls need."""
    seconds = stage.orders / RATE
    with sink(stage.home) as target:
        connect(stage.redis).flushall()
        with run_together("caller", [[limiter, target.url, stage.redis, str(seconds)]] * processes):
            time.sleep(seconds)
            hits = target.hits()
    start = min(hit.at for hit in hits)
    hits = [hit for hit in hits if hit.at <= start + seconds]
    accepted = sum(hit.status == 200 for hit in hits)
    return Run(accepted / seconds, 100 * (1 - accepted / len(hits)))


def measure(stage: Stage) -> Measured:
    """Measure the calls that a leaky bucket of 10/s without burst accepts, from 1 to 16 processes."""
    figures: list[Figure] = []
    for processes in PROCESSES:
        sides = SPACED | (OTHERS if processes == _MIDDLE else {})
        results = stage.alternate(
            {name: partial(run_callers, stage, limiter, processes) for name, limiter in sides.items()}
        )
        ours = results.pop("Intake")
        accepted, refused = tuple(run.accepted for run in ours), tuple(run.refused for run in ours)
        scale = f"{processes} process{'es' if processes > 1 else ''}, {stage.orders // RATE} s"
        for name, theirs in results.items():
            figures += [
                Figure(
                    f"accepted behind a strict 10/s, {scale}",
                    "/s",
                    accepted,
                    tuple(run.accepted for run in theirs),
                    name,
                    ">= 9.5",
                    "ours",
                ),
                Figure(
                    f"refused behind a strict 10/s, {scale}",
                    "%",
                    refused,
                    tuple(run.refused for run in theirs),
                    name,
                    "<= 1",
                    "ours",
                ),
            ]
    return Measured(figures)
