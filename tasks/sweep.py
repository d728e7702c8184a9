"""Sweep: free what dead workers held, wake what has work to do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import structlog

from worker.app import app, hint
from worker.runtime import Runtime, runtime

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger()

#: Due orders for which one more drain is worth its start.
PER_DRAIN = 25


@app.task(name="tasks.sweep")
def sweep_all() -> None:
    """Celery's door to `sweep`."""
    sweep(runtime(), hint)


def sweep(rt: Runtime, wake: Callable[[str, str], None]) -> None:
    """Look after every lane and every poll once; harmless at any time, any number of times."""
    for name, lane in rt.lanes.items():
        found = lane.sweep()
        if found.freed or found.buried:
            log.warning(
                "lane.taken_over", lane=name, freed=found.freed, buried=found.buried, seconds=round(found.waited, 1)
            )
        if found.due and not found.paused and not found.closed:
            drains = min(lane.concurrency, math.ceil(found.due / PER_DRAIN)) - found.drains
            for _ in range(drains):
                wake("deliver", name)
    for name in rt.settings.providers:
        if rt.cursors.waiting(name):
            wake("poll", name)
