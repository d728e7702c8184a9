"""Sweep: free the work of dead workers, and nudge the tasks that have work to do."""

from __future__ import annotations

import math
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

import structlog

from tasks.summary import Summary
from worker.app import app, nudge
from worker.errors import StoreFull
from worker.runtime import Runtime, runtime
from worker.settings.reconcile import pairs_of
from worker.store.feeds.work import read_work
from worker.store.health.alarms import JUDGED_MS
from worker.store.health.outbox import lifetimes_ms
from worker.store.health.signs import SWEPT
from worker.store.orders.lanes import WAITING_MS, sweep_lanes
from worker.store.redis import clock, keys
from worker.telemetry.log import report_store_full
from worker.watch.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from worker.store.orders.lanes import SweepResult

    #: Notifies this many workers that a task has work for an account: `nudge(task, name, count)`.
    NudgeMany = Callable[[str, str, int], None]

log = structlog.get_logger()
_watch = cache(Watch)

#: Due orders that justify one more drain.
PER_DRAIN = 25
#: Seconds for which an order is due after which the drains are too few for it, however few orders wait: each call of
#: theirs takes that long.
LATE = 1.0


@app.task(name="tasks.sweep", Request="worker.app.quiet_request:QuietRequest", send_events=False)
def sweep_all() -> Summary | None:
    """Run `sweep` as a Celery task. Return None if there was nothing to do."""
    rt = runtime()
    # One sweep serves every waiting tick, so that ticks do not pile up while no worker takes them.
    rt.nudges.drop_waiting("intake.upkeep")
    rt.signs.give(SWEPT)
    done: Counter[str] = Counter()
    try:
        done = sweep(rt, nudge)
    except StoreFull as full:
        report_store_full(full)
    _watch(rt).look()
    return Summary("sweep", done) if done else None


def sweep(rt: Runtime, nudge: NudgeMany) -> Counter[str]:
    """Sweep every lane, the inbox and every provider once; return how often it did what.

    Running it at any time and any number of times is safe.
    """
    done: Counter[str] = Counter()
    if clock.went_back(rt.redis):
        clock.shorten_expiries(rt.redis, _lifetimes_ms(rt))
    now = rt.now()
    wanted: dict[tuple[str, str], int] = {}
    for name, swept in zip(rt.lanes, sweep_lanes(rt.redis, list(rt.lanes.values())), strict=True):
        done["claims taken over"] += swept.freed + swept.buried
        wanted |= _lane_work(rt, name, swept, now)
    if freed := rt.inbox.free():
        log.warning("inbox.taken_over", freed=freed)
        done["jobs taken over"] += freed
    rhythms = {name: account.poll_every for name, account in rt.settings.providers.items()}
    for name, tasks in read_work(rt.redis, rhythms).items():
        if rt.provider_maintenance_left(name, now):
            continue
        wanted |= {(task, name): 1 for task in tasks}
    # One question for all, so that a backlog of many accounts does not cost each sweep an answer for each of them.
    waiting = rt.nudges.waiting(list(wanted))
    for (task, name), count in wanted.items():
        if (task, name) not in waiting:
            nudge(task, name, count)
            done[f"{task} {name}"] += count
    return +done


def _lifetimes_ms(rt: Runtime) -> dict[str, int]:
    """Return the longest time to live of each lease and mark that expires."""
    settings, lease_ms = rt.settings, int(rt.settings.clocks.lease * 1000)
    leases = [lease(name) for name in settings.providers for lease in (keys.poll, keys.backfilling)]
    leases += [keys.reconciling(*pair) for pair in pairs_of(settings.routes, settings.providers)]
    waiting = {lane.keys.waiting: WAITING_MS for lane in rt.lanes.values()}
    marks = rt.nudges.lifetimes_ms([*settings.providers, *settings.targets])
    senders = lifetimes_ms(destination.key for destination in settings.alarms.destinations())
    return dict.fromkeys(leases, lease_ms) | waiting | marks | senders | JUDGED_MS


def _lane_work(rt: Runtime, name: str, swept: SweepResult, now: datetime) -> dict[tuple[str, str], int]:
    """Report what was freed of a lane; return its tasks, and how many drains its orders justify."""
    lane = rt.lanes[name]
    if swept.freed or swept.buried:
        log.warning(
            "lane.taken_over", lane=name, freed=swept.freed, buried=swept.buried, seconds=round(swept.waited, 1)
        )
    work: dict[tuple[str, str], int] = {}
    if rt.target_maintenance_left(name, now):
        return work
    if swept.due + swept.bulk and not swept.paused and not swept.closed:
        most = lane.drains if swept.due else lane.spare
        wanted = math.ceil((swept.due + swept.bulk) / PER_DRAIN)
        if swept.oldest > LATE:
            wanted = max(wanted, swept.drains + 1)
        if (drains := min(most, wanted) - swept.drains) > 0:
            work["deliver", name] = drains
    if swept.doubts:
        work["doubt", name] = 1
    return work
