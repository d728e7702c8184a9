"""Doubt: ask a target, now and then, for orders that may be there, so that no person has to."""

from __future__ import annotations

from collections import Counter
from typing import Final

import structlog

from worker.app import app
from worker.doubt import ask, finder
from worker.process.stopping import stopping
from worker.runtime import Runtime, runtime
from worker.store.orders.lanes import ASK_EVERY
from worker.telemetry import traces

log = structlog.get_logger()

#: Orders that one round may leave unsettled: each costs a call, at some targets a walk through their whole list.
FEW: Final = 5
#: Times an order is queued again by itself: what ends in doubt each time is not the target's being away.
AGAIN: Final = 3
#: Orders that one round asks for.
MOST: Final = 100


@app.task(name="tasks.doubt")
def ask_in_doubt(name: str) -> None:
    """Celery's door to `settle_doubts`."""
    rt = runtime()
    rt.nudges.take("doubt", name)
    settle_doubts(rt, name)


def settle_doubts(rt: Runtime, name: str) -> Counter[str]:
    """Ask the target `name` for what is in doubt long enough; answers what was told, counted (see `worker/doubt.py`).

    It goes on as long as asking settles something, and stops when the target is away.
    """
    rt.lanes[name].mark_doubts_asked()
    answers: Counter[str] = Counter()
    target = rt.targets[name]
    find = finder(target)
    with traces.span(f"doubt {name}", target=name):
        for order in rt.stuck[name].sample(MOST, ASK_EVERY / 1000):
            if int(order.record.get("again", 0)) >= AGAIN:
                continue
            answers[ask(target, rt.stuck[name], order, find)] += 1
            if answers["away"] or answers["unknown"] >= FEW or stopping():
                break
    log.info("doubt.asked", target=name, counts=dict(answers))
    return answers
