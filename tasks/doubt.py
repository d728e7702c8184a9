"""Doubt: search a target for its orders in doubt from time to time, so that no operator has to."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from tasks.calls import Calls
from tasks.late import run_in_background
from tasks.summary import Summary
from worker.app import app, nudge
from worker.doubt import Listing, ask, finder
from worker.http.call import measure_calls
from worker.http.task_time import is_over
from worker.process.stopping import stopping
from worker.runtime import Runtime, confirmed_runtime
from worker.store.orders.lanes import ASK_EVERY
from worker.telemetry import traces

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from worker.app.timed_request import Later
    from worker.doubt import Answer
    from worker.store.orders.stuck import Stuck, StuckOrder

log = structlog.get_logger()

#: A round ends after this many unsettled orders: each costs a call, at some targets a read of their whole list.
MOST_UNKNOWN: Final = 5
#: How often an order is queued again without an operator. An order that ends in doubt each time has another problem
#: than a target that was unavailable for a while.
MOST_REQUEUES: Final = 3
#: Most orders to search for in one round.
BATCH: Final = 100
#: Seconds after which what a person wants is searched for again, if the target did not respond or the worker died.
AGAIN: Final = 60.0
#: The longest wait for a search at a time: each ends by itself.
LONG: Final = 60.0


class _Search(NamedTuple):
    """The answer, the seconds of each HTTP call for it, and of everything."""

    answer: Answer
    calls: list[float]
    seconds: float


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


def _to_search(stuck: Stuck, wanted: Sequence[StuckOrder]) -> Iterator[StuckOrder]:
    """Yield the orders to search for in one round: first those that a person wants to be searched for."""
    yield from wanted
    known = {order.key for order in wanted}
    for order in stuck.sample(BATCH, ASK_EVERY / 1000):
        if order.key not in known and int(order.record.get("again", 0)) < MOST_REQUEUES:
            yield order


def settle_doubts(rt: Runtime, name: str) -> Counter[str]:
    """Search the target `name` for the orders that have been in doubt for a while.

    Continue while the searches settle orders, and stop when the target is unavailable. After the first one, as many are
    made at once as the limit needs. Return the number of each answer (see `worker/doubt.py`). A list that is read in
    part is kept for the next round. What a person wants is searched for even if it was a moment ago, and again in a
    minute if the target does not respond.
    """
    lane, target = rt.lanes[name], rt.targets[name]
    lane.mark_doubts_asked()
    answers: Counter[str] = Counter()
    listing = rt.doubt_listings.setdefault(name, Listing(target))
    find = finder(target, listing)
    wanted = rt.stuck[name].take_wanted(BATCH, AGAIN)
    unanswered = {order.key for order in wanted}

    def search(order: StuckOrder) -> _Search:
        began = time.monotonic()
        with measure_calls() as calls:
            answer = ask(target, rt.stuck[name], order, find)
        return _Search(answer, calls, time.monotonic() - began)

    def take(calls: Calls[StuckOrder, _Search]) -> None:
        for ended in calls.take(LONG):
            if ended.result is None:
                raise ended.error or RuntimeError("a search ended without a result")
            answers[ended.result.answer] += 1
            unanswered.discard("" if ended.result.answer == "away" else ended.job.key)
            lane.pace.note(ended.result.calls, ended.result.seconds)
        # A list is read by one.
        calls.width = 1 if target.walks else min(lane.pace.width(lane.scope.interval / 1e6), lane.concurrency)

    with traces.span(f"doubt {name}", target=name), Calls(search) as calls:
        for order in _to_search(rt.stuck[name], wanted):
            while not calls.room:
                take(calls)
            enough = answers["unknown"] >= MOST_UNKNOWN and order.key not in unanswered
            if answers["away"] or enough or stopping() or is_over():
                break
            calls.begin(order, [order.key])
        while calls.under_way:
            take(calls)
    rt.stuck[name].end_searches({order.key for order in wanted} - unanswered)
    rt.stuck[name].want_later(unanswered, AGAIN if answers["away"] else 0.0)
    if not listing.begun:
        rt.doubt_listings.pop(name, None)
    log.info("doubt.asked", target=name, counts=dict(answers))
    return answers
