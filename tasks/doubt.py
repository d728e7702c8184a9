"""Doubt: search a target for its orders in doubt from time to time, so that no operator has to."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import structlog

from tasks.late import run_in_background
from tasks.summary import Summary
from worker.app import app, nudge
from worker.doubt import Listing, ask, finder
from worker.http.task_time import is_over
from worker.process.stopping import stopping
from worker.runtime import Runtime, confirmed_runtime
from worker.store.orders.lanes import ASK_EVERY
from worker.telemetry import traces

if TYPE_CHECKING:
    from worker.app.timed_request import Later

log = structlog.get_logger()

#: A round ends after this many unsettled orders: each costs a call, at some targets a read of their whole list.
MOST_UNKNOWN: Final = 5
#: How often an order is queued again without an operator. An order that ends in doubt each time has another problem
#: than a target that was unavailable for a while.
MOST_REQUEUES: Final = 3
#: Most orders to search for in one round.
BATCH: Final = 100


@app.task(name="tasks.doubt", Request="worker.app.timed_request:TimedRequest")
def ask_in_doubt(name: str) -> Summary | Later:
    """Run `settle_doubts` as a Celery task."""
    rt = confirmed_runtime()
    name = rt.settings.ledger_target(name)
    rt.nudges.take("doubt", name)
    return run_in_background(("doubt", name), lambda: _ask(rt, name))


def _ask(rt: Runtime, name: str) -> Summary:
    answers = settle_doubts(rt, name)
    if (listing := rt.doubt_listings.get(name)) and listing.interrupted:
        nudge("doubt", name)
    return Summary(name, Counter({f"in doubt: {answer}": count for answer, count in answers.items()}))


def settle_doubts(rt: Runtime, name: str) -> Counter[str]:
    """Search the target `name` for the orders that have been in doubt for a while.

    Continue while the searches settle orders, and stop when the target is unavailable. Return the number of each answer
    (see `worker/doubt.py`). A list that is read in part is kept for the next round.
    """
    rt.lanes[name].mark_doubts_asked()
    answers: Counter[str] = Counter()
    target = rt.targets[name]
    listing = rt.doubt_listings.setdefault(name, Listing(target))
    find = finder(target, listing)
    with traces.span(f"doubt {name}", target=name):
        for order in rt.stuck[name].sample(BATCH, ASK_EVERY / 1000):
            if int(order.record.get("again", 0)) >= MOST_REQUEUES:
                continue
            answers[ask(target, rt.stuck[name], order, find)] += 1
            if answers["away"] or answers["unknown"] >= MOST_UNKNOWN or stopping() or is_over():
                break
    if not listing.begun:
        rt.doubt_listings.pop(name, None)
    log.info("doubt.asked", target=name, counts=dict(answers))
    return answers
