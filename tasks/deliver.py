"""Deliver: take orders from one lane, make each exist in the target, write down what became of it."""

from __future__ import annotations

import time
from collections import deque
from contextlib import nullcontext
from typing import TYPE_CHECKING

import structlog

from tasks.attempt import attempt, attempt_many, clear_absent
from tasks.outcomes import log_ending
from tasks.target_index import target_index
from worker.app import app, has_spare_processes, nudge
from worker.errors import AuthFailed, LeaseLost
from worker.http.client import guard_writes
from worker.process.stopping import stopping
from worker.runtime import Runtime, runtime
from worker.store.limits.limiter import use_spare_slots
from worker.store.orders.lanes import Claim, Outcome
from worker.telemetry import traces

if TYPE_CHECKING:
    from worker.app import Nudge
    from worker.store.orders.lanes import Drain, Lane
    from worker.systems.target import Target

log = structlog.get_logger()

#: Orders claimed at once from a lane without a limit.
BATCH = 50
#: Seconds for which a drain goes on where nobody waits for its process: to hand a lane over costs some of its limit.
LONGEST = 30.0
#: Seconds before its end that a drain looks for those who wait: what it has claimed by then it can still send.
AHEAD = 1.0
#: Seconds an outcome may wait for company before it is written down.
SETTLE_WITHIN = 0.25


@app.task(name="tasks.deliver")
def deliver_lane(name: str) -> None:
    """Celery's door to `deliver`."""
    rt = runtime()
    rt.nudges.take("deliver", name)
    deliver(rt, name, nudge, idle=rt.settings.clocks.drain if has_spare_processes(rt.settings) else 0.0)


def deliver(rt: Runtime, name: str, nudge: Nudge, *, idle: float = 0.0) -> None:
    """Drain the lane of target `name` until it is empty, closed, or the time of one drain is up.

    Args:
        rt: The runtime.
        name: The target.
        nudge: Tells a worker that a task has something to do for a name.
        idle: Seconds to wait for the next order at an empty lane: it is sent without the way through a message.
    """
    started = time.monotonic()
    while not stopping() and _drain(rt, name, started + rt.settings.clocks.drain, nudge):
        if idle and rt.lanes[name].wait(started + idle):
            continue
        if idle and time.monotonic() > started + idle:
            nudge("deliver", name)
        break
    if stopping():
        # Another worker goes on at once.
        nudge("deliver", name)


def _drain(rt: Runtime, name: str, until: float, nudge: Nudge) -> bool:
    """One drain; whether it came to the end of the lane."""
    lane, target = rt.lanes[name], rt.targets[name]
    # Whatever is claimed by a worker that dies counts as sent; where that cannot be settled, it is one order.
    most = max(BATCH, target.bulk) if target.settles else 1
    last = until + LONGEST
    with (
        lane.drain() as drain,
        guard_writes(drain.check),
        log_ending("drain.fenced", lane=name, drain=drain.name) as ending,
    ):
        while not rt.target_maintenance_left(name) and (claims := drain.claim(most)):
            with use_spare_slots() if claims[0].bulk else nullcontext():
                _work(rt, lane, drain, claims, until)
            until = _until(rt, name, until, last)
            if time.monotonic() > until or stopping():
                drain.leave()
                nudge("deliver", name)
                return False
        if rt.target_maintenance_left(name):
            drain.leave()
    if ending.error:
        # Claimed orders are freed when the lease ends. The target is clear_absent for each before it is sent again.
        return False
    if drain.young:
        why = "the ledger is new, and the target takes doubles: what an older ledger sent has to arrive first"
        log.warning("lane.waits", lane=name, reason=why, seconds=round(drain.young))
    return True


def _until(rt: Runtime, name: str, until: float, last: float) -> float:
    """When this drain ends: later than it was to, if nobody waits for its process."""
    now = time.monotonic()
    if until - now > AHEAD or now > last or rt.others_wait("deliver", name):
        return until
    return min(last, now + rt.settings.clocks.drain)


def _work(rt: Runtime, lane: Lane, drain: Drain, claims: list[Claim], until: float) -> None:
    """Deliver the claims one call after the other; what cannot go out now is handed back."""
    target = rt.targets[lane.target]
    settled: list[tuple[Claim, Outcome]] = []
    flushed = time.monotonic()
    stop, refused = False, ""
    calls = deque(_calls(target, clear_absent(target, claims)))
    while calls:
        together = calls.popleft()
        now = time.monotonic()
        if settled and now - flushed > SETTLE_WITHIN:
            _settle(target, drain, settled)
            settled, flushed = [], now
        if stop or now > until or stopping():
            settled += [(claim, Outcome("release")) for claim in together]
            continue
        outcomes = _together(target, together) if len(together) > 1 else [_alone(rt, target, together[0])]
        if outcomes is None:
            calls.extendleft([claim] for claim in reversed(together))
            continue
        settled += zip(together, outcomes, strict=True)
        for outcome in outcomes:
            # What stops one order of a lane stops them all: a limit, a maintenance, a wrong key.
            stop = stop or outcome.kind == "snooze"
            if outcome.code == AuthFailed.code:
                refused = outcome.detail
    _settle(target, drain, settled)
    if refused:
        lane.pause(refused)
        log.error("lane.paused", lane=target.name, reason=refused, remedy=f"mend it, then: intake resume {target.name}")


def _alone(rt: Runtime, target: Target, claim: Claim) -> Outcome:
    with traces.attempt(claim, target=target.name, attempt=claim.tries + 1) as span:
        outcome = attempt(target, claim, lambda: target_index(rt, target.name))
        span.note(outcome=outcome.kind)
        span.fail(_cause(outcome))
        return outcome


def _together(target: Target, claims: list[Claim]) -> list[Outcome] | None:
    with traces.batch(claims, target=target.name) as span:
        outcomes = attempt_many(target, claims)
        if outcomes is None:
            span.fail("refused")
        for claim, outcome in zip(claims, outcomes or (), strict=False):
            span.note_order(claim, _cause(outcome), target=target.name, attempt=claim.tries + 1, outcome=outcome.kind)
        return outcomes


def _cause(outcome: Outcome) -> str:
    """Why an attempt came to nothing; "": it did not."""
    return "" if outcome.kind in {"delivered", "existed", "updated", "pending"} else outcome.code


def _calls(target: Target, claims: list[Claim]) -> list[list[Claim]]:
    """The claims by call: what is certainly new goes together as far as the target takes it, all else alone."""
    if target.bulk == 1:
        return [[claim] for claim in claims]
    alone = [[claim] for claim in claims if claim.uncertain or claim.step or claim.is_update]
    new = [claim for claim in claims if not (claim.uncertain or claim.step or claim.is_update)]
    return [*alone, *(new[n : n + target.bulk] for n in range(0, len(new), target.bulk))]


#: How a state is told in the log, by what the drain wrote.
_EVENTS = {
    "delivered": "order.delivered",
    "existed": "order.delivered",
    "updated": "order.updated",
    "pending": "order.pending",
    "retry": "order.retried",
    "retry_uncounted": "order.retried",
    "snooze": "order.snoozed",
    "release": "order.released",
    "hold": "order.held",
    "bury": "order.buried",
    "doubt": "order.doubted",
}


#: Told by the state itself, whatever the drain wrote.
_ENDS = {"dead": "order.buried", "in_doubt": "order.doubted", "held": "order.held"}

_LEVELS = {
    "order.released": "debug",
    "order.delivered": "info",
    "order.updated": "info",
    "order.pending": "info",
    "order.snoozed": "info",
}


def _settle(target: Target, drain: Drain, settled: list[tuple[Claim, Outcome]]) -> None:
    states = drain.settle(settled)
    for (claim, outcome), state in zip(settled, states, strict=True):
        event = "order.refused" if state == "refused" else _EVENTS[outcome.kind]
        event = _ENDS.get(state, event)
        fields: dict[str, object] = {"target": target.name, "order": claim.key, "state": state}
        if outcome.code:
            fields |= {"code": outcome.code, "reason": outcome.detail, "attempt": claim.tries + 1}
        if outcome.delay:
            fields["delay"] = round(outcome.delay, 2)
        getattr(log, _LEVELS.get(event, "warning"))(event, **fields)
    if "refused" in states:
        raise LeaseLost(f"{states.count('refused')} of {len(states)} outcomes were refused")
