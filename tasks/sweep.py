"""Sweep: free what dead workers held, wake what has work to do."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import structlog

from worker.app import app, nudge
from worker.errors import StoreFull
from worker.runtime import Runtime, runtime
from worker.store.health.signs import SWEPT
from worker.telemetry.log import report_store_full
from worker.watch.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    #: Tells so many workers of a task and a name.
    Wake = Callable[[str, str, int], None]

log = structlog.get_logger()
_watch = cache(Watch)

#: Due orders for which one more drain is worth its start.
PER_DRAIN = 25


@app.task(name="tasks.sweep")
def sweep_all() -> None:
    """Celery's door to `sweep`."""
    rt = runtime()
    # One sweep answers every tick that waits: after a pause there is no heap of them to work off.
    rt.nudges.drop_waiting("intake.upkeep")
    rt.signs.give(SWEPT)
    try:
        sweep(rt, nudge)
    except StoreFull as full:
        report_store_full(full)
    _watch(rt).look()


def sweep(rt: Runtime, nudge: Wake) -> None:
    """Look after every lane and every poll once; harmless at any time, any number of times."""
    for name in rt.lanes:
        _look_after(rt, name, nudge)
    if freed := rt.inbox.free():
        log.warning("inbox.taken_over", freed=freed)
    for name in rt.settings.providers:
        if rt.cursors.resume_if_over(name):
            nudge("poll", name, 1)
        if rt.provider_maintenance_left(name):
            continue
        if rt.fetches.count_due(name):
            nudge("fetch", name, 1)
        if rt.cursors.is_waiting(name):
            nudge("poll", name, 1)
        if rt.backfills.is_waiting(name):
            nudge("backfill", name, 1)


def _look_after(rt: Runtime, name: str, nudge: Wake) -> None:
    """Free what dead drains of one lane held, wake as many as it has work for."""
    lane = rt.lanes[name]
    found = lane.sweep()
    if found.freed or found.buried:
        log.warning(
            "lane.taken_over", lane=name, freed=found.freed, buried=found.buried, seconds=round(found.waited, 1)
        )
    if rt.target_maintenance_left(name):
        return
    if found.due + found.bulk and not found.paused and not found.closed:
        most = lane.concurrency if found.due else lane.spare
        drains = min(most, math.ceil((found.due + found.bulk) / PER_DRAIN)) - found.drains
        if drains > 0:
            nudge("deliver", name, drains)
    if found.doubts:
        nudge("doubt", name, 1)
