"""Benchmark `limit`: how much of a strict limit is used, and how much refused, beside other limiters."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from bench.figure import Figure, Measured
from bench.launch import crew
from bench.sink import sink
from worker.store.redis.connection import connect

if TYPE_CHECKING:
    from bench.stage import Stage

#: Calls a second that the server takes, evenly spaced.
RATE = 10
#: Who calls: keys of `LIMITERS` in programs/caller.py. OTHERS know no spacing: to see them once is enough.
SPACED = {"Intake": "intake", "PyrateLimiter, 1 per 100 ms": "pyrate-spaced"}
OTHERS = {"limits, 10 per second": "limits", "PyrateLimiter, 10 per second": "pyrate"}
PROCESSES = (1, 4, 16)
#: Where the others are measured.
_MIDDLE = 4


class Run(NamedTuple):
    """Accepted calls per second, and the share that was refused, in percent."""

    accepted: float
    refused: float


def behind(stage: Stage, who: str, processes: int) -> Run:
    """So many processes that call as often as they may, for the time that the limit needs for `stage.orders` calls."""
    seconds = stage.orders / RATE
    with sink(stage.home) as target:
        connect(stage.redis).flushall()
        with crew("caller", [[who, target.url, stage.redis, str(seconds)]] * processes):
            time.sleep(seconds)
            hits = target.hits()
    begun = min(hit.at for hit in hits)
    hits = [hit for hit in hits if hit.at <= begun + seconds]
    accepted = sum(hit.status == 200 for hit in hits)
    return Run(accepted / seconds, 100 * (1 - accepted / len(hits)))


def measure(stage: Stage) -> Measured:
    """Accepted calls per second behind a leaky bucket of 10/s without burst, in 1 to 16 processes."""
    figures: list[Figure] = []
    for processes in PROCESSES:
        sides = SPACED | (OTHERS if processes == _MIDDLE else {})
        found = stage.alternate({name: partial(behind, stage, who, processes) for name, who in sides.items()})
        mine = found.pop("Intake")
        accepted, refused = tuple(run.accepted for run in mine), tuple(run.refused for run in mine)
        what = f"{processes} process{'es' if processes > 1 else ''}, {stage.orders // RATE} s"
        for than, theirs in found.items():
            figures += [
                Figure(
                    f"accepted behind a strict 10/s, {what}",
                    "/s",
                    accepted,
                    tuple(run.accepted for run in theirs),
                    than,
                    ">= 9.5",
                    "ours",
                ),
                Figure(
                    f"refused behind a strict 10/s, {what}",
                    "%",
                    refused,
                    tuple(run.refused for run in theirs),
                    than,
                    "<= 1",
                    "ours",
                ),
            ]
    return Measured(figures)
