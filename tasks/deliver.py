"""Deliver: claim orders from the lane of one target, make each order exist in the target, and settle the outcome."""

from __future__ import annotations

import time
from collections import deque
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

import structlog

from tasks.attempt import attempt, attempt_many, clear_absent
from tasks.decisions import decide_again
from tasks.intentions import intend
from tasks.outcomes import log_ending
from tasks.target_index import target_index
from worker.app import app, has_spare_processes, nudge
from worker.app.background import background_tasks
from worker.errors import AuthFailed, LeaseLost
from worker.http.client import guard_writes
from worker.http.task_time import is_over
from worker.process.stopping import stopping
from worker.runtime import Runtime, confirmed_runtime
from worker.store.limits.limiter import use_spare_slots
from worker.store.orders.drains import Claim, Outcome
from worker.telemetry import traces

if TYPE_CHECKING:
    from worker.app import Nudge
    from worker.store.orders.drains import Drain
    from worker.store.orders.lanes import Lane
    from worker.systems.target import Target

log = structlog.get_logger()

#: Most orders to claim at once, unless one call of the target takes more.
BATCH = 50
#: Seconds by which a drain may exceed its time while no other work waits for its process: handing a lane over to
#: another drain wastes part of the limit.
LONGEST = 30.0
#: Seconds before its end at which a drain checks whether other work waits: in this time it can send what it claimed.
AHEAD = 1.0
#: Seconds after which claims are checked again before they are sent: an order may have been cancelled meanwhile.
CHECK_AFTER = 0.25
#: Seconds of calls that a drain claims at once, where other drains may take the rest.
SHARE = 1.0
#: Seconds after which a drain releases what it has not sent: the calls take longer than when it claimed.
RELEASE_AFTER = 2.0
#: Seconds for which outcomes are collected before they are settled together.
SETTLE_WITHIN = 0.25


@app.task(name="tasks.deliver", Request="worker.app.timed_request:TimedRequest")
def deliver_lane(name: str) -> None:
    """Run `deliver` as a Celery task."""
    rt = confirmed_runtime()
    name = rt.settings.ledger_target(name)
    rt.nudges.take("deliver", name)
    idle = rt.settings.clocks.drain if has_spare_processes(rt.settings) else 0.0
    # Several drains of a lane may run at a time: the ledger keeps to its concurrency.
    background_tasks().run(("deliver", name), lambda: deliver(rt, name, nudge, idle=idle), alone=False)


def deliver(rt: Runtime, name: str, nudge: Nudge, *, idle: float = 0.0) -> None:
    """Drain the lane of the target `name` until it is empty or closed, or the time of one drain is over.

    Args:
        rt: The runtime.
        name: The name of the target.
        nudge: Notifies a worker that a task has work for an account.
        idle: Seconds to wait at an empty lane for the next order, which is then sent without waiting for a nudge.
    """
    started = time.monotonic()
    while not stopping() and _drain(rt, name, started + rt.settings.clocks.drain, nudge):
        if idle and rt.lanes[name].wait(started + idle):
            continue
        if idle and time.monotonic() > started + idle:
            nudge("deliver", name)
        break
    if stopping():
        # Another worker continues at once.
        nudge("deliver", name)


def _drain(rt: Runtime, name: str, until: float, nudge: Nudge) -> bool:
    """Claim and deliver orders until the lane has none to send. Return False if the drain ended before that."""
    lane, target = rt.lanes[name], rt.targets[name]
    latest = until + LONGEST
    with (
        lane.drain() as drain,
        guard_writes(drain.check),
        log_ending("drain.fenced", lane=name, drain=drain.name) as ending,
    ):
        while not rt.target_maintenance_left(name) and (claims := drain.claim(_most(lane, target))):
            with use_spare_slots() if claims[0].bulk else nullcontext():
                _deliver_claims(rt, lane, drain, claims, until)
            until = _extend(rt, name, until, latest)
            if time.monotonic() > until or stopping() or is_over():
                drain.leave()
                nudge("deliver", name)
                return False
        if rt.target_maintenance_left(name):
            drain.leave()
    if ending.error:
        # The claims are freed when the lease ends. Each order is searched for at the target before it is sent again.
        return False
    if drain.quarantine:
        why = "the ledger is new, and the target takes doubles: what an older ledger sent has to arrive first"
        log.warning("lane.waits", lane=name, reason=why, seconds=round(drain.quarantine))
    return True


def _most(lane: Lane, target: Target) -> int:
    """Return how many orders to claim: at most what is sent in about a second, and at least one call's worth."""
    if not target.settles:
        # A dead worker's claims count as possibly sent, and the target cannot settle that.
        return 1
    most = max(BATCH, target.bulk)
    if lane.concurrency == 1:
        return most
    if lane.call_seconds is None:
        return target.bulk
    calls = int(SHARE / lane.call_seconds) if lane.call_seconds else most
    return max(target.bulk, min(most, calls * target.bulk))


def _extend(rt: Runtime, name: str, until: float, latest: float) -> float:
    """Return the end of the drain: later than `until` (at most `latest`) if no other work waits for its process."""
    now = time.monotonic()
    if until - now > AHEAD or now > latest or rt.others_wait("deliver", name):
        return until
    return min(latest, now + rt.settings.clocks.drain)


def _deliver_claims(rt: Runtime, lane: Lane, drain: Drain, claims: list[Claim], until: float) -> None:
    """Deliver the claims one call after the other, and release those that this drain can no longer send."""
    target = rt.targets[lane.target]
    settled: list[tuple[Claim, Outcome]] = []
    stop, refused, sent = False, "", 0
    claims = decide_again(rt, lane.target, claims)
    calls = deque(_calls(target, clear_absent(target, claims, drain.note_left_out)))
    began = flushed = checked = time.monotonic()
    release_at = min(until, began + RELEASE_AFTER) if lane.concurrency > 1 else until
    while calls:
        batch = calls.popleft()
        now = time.monotonic()
        if settled and now - flushed > SETTLE_WITHIN:
            _settle(target, drain, settled)
            settled, flushed = [], now
        if stop or now > release_at or stopping() or is_over():
            settled += [(claim, Outcome("release")) for claim in batch]
            continue
        if now - checked > CHECK_AFTER:
            waiting = drain.note_left_out([*batch, *(claim for call in calls for claim in call)])
            batch, *rest = _calls(target, waiting)
            calls, checked = deque(rest), now
        intend(rt, lane.target, drain, batch)
        sent += 1
        outcomes = _send_many(target, batch) if len(batch) > 1 else [_send(rt, target, drain, batch[0])]
        if outcomes is None:
            calls.extendleft([claim] for claim in reversed(batch))
            continue
        settled += zip(batch, outcomes, strict=True)
        for outcome in outcomes:
            # A limit, maintenance or wrong credentials stop every order of the lane, not only this one.
            stop = stop or outcome.kind == "snooze"
            if outcome.code == AuthFailed.code:
                refused = outcome.detail
    if sent:
        lane.call_seconds = (time.monotonic() - began) / sent
    _settle(target, drain, settled)
    if refused:
        lane.pause(refused)
        log.error("lane.paused", lane=target.name, reason=refused, remedy=f"mend it, then: intake resume {target.name}")


def _calls(target: Target, claims: list[Claim]) -> list[list[Claim]]:
    """Group the claims by call: up to `bulk` orders that are certainly new go together, every other order alone."""
    if target.bulk == 1:
        return [[claim] for claim in claims]
    alone = [[claim] for claim in claims if _goes_alone(claim)]
    new = [claim for claim in claims if not _goes_alone(claim)]
    return [*alone, *(new[n : n + target.bulk] for n in range(0, len(new), target.bulk))]


def _goes_alone(claim: Claim) -> bool:
    """Return whether the order is not certain to be created."""
    return bool(
        claim.uncertain
        or claim.step
        or claim.is_update
        or claim.left_out
        or claim.unrouted
        or claim.hold
        or claim.blocker
    )


def _send(rt: Runtime, target: Target, drain: Drain, claim: Claim) -> Outcome:
    with traces.attempt(claim, target=target.name, attempt=claim.tries + 1) as span:
        outcome = attempt(
            target, claim, lambda: target_index(rt, target.name), lambda sent: drain.note_left_out([sent])[0]
        )
        span.note(outcome=outcome.kind)
        span.fail(_failure(outcome))
        return outcome


def _send_many(target: Target, claims: list[Claim]) -> list[Outcome] | None:
    """Create the orders in one call. Return None if the target refused the call as a whole."""
    with traces.batch(claims, target=target.name) as span:
        outcomes = attempt_many(target, claims)
        if outcomes is None:
            span.fail("refused")
        for claim, outcome in zip(claims, outcomes or (), strict=False):
            span.note_order(claim, _failure(outcome), target=target.name, attempt=claim.tries + 1, outcome=outcome.kind)
        return outcomes


def _failure(outcome: Outcome) -> str:
    """Return the code of a failed attempt, or "" if the attempt succeeded."""
    return "" if outcome.kind in _SUCCESSES else outcome.code


_SUCCESSES: Final = frozenset(
    {"delivered", "existed", "updated", "cancelled", "cancelled_alone", "withdrawn", "pending"}
)
#: The log event of each outcome.
_EVENTS = {
    "delivered": "order.delivered",
    "existed": "order.delivered",
    "updated": "order.updated",
    "cancelled": "order.cancelled",
    "cancelled_alone": "order.cancelled",
    "withdrawn": "order.withdrawn",
    "pending": "order.pending",
    "retry": "order.retried",
    "retry_uncounted": "order.retried",
    "snooze": "order.snoozed",
    "release": "order.released",
    "hold": "order.held",
    "bury": "order.buried",
    "doubt": "order.doubted",
}

#: The log event of each state that takes precedence over the event of the outcome.
_STATE_EVENTS = {"dead": "order.buried", "in_doubt": "order.doubted", "held": "order.held"}
_STATE_EVENTS |= {"refused": "order.refused", "withdrawn": "order.withdrawn"}

#: The log level of each event; every other event is a warning.
_LEVELS = {
    "order.released": "debug",
    "order.delivered": "info",
    "order.updated": "info",
    "order.cancelled": "info",
    "order.withdrawn": "info",
    "order.pending": "info",
    "order.snoozed": "info",
}


def _settle(target: Target, drain: Drain, settled: list[tuple[Claim, Outcome]]) -> None:
    """Write the outcomes to the ledger and log them. Raise LeaseLost if the ledger refused any of them."""
    drain.note_references([(claim, outcome.reference) for claim, outcome in settled if outcome.reference])
    states = drain.settle(settled)
    for (claim, outcome), state in zip(settled, states, strict=True):
        event = _STATE_EVENTS.get(state, _EVENTS[outcome.kind])
        fields: dict[str, object] = {"target": target.name, "order": claim.key, "state": state}
        if outcome.code:
            fields |= {"code": outcome.code, "reason": outcome.detail, "attempt": claim.tries + 1}
        if outcome.delay:
            fields["delay"] = round(outcome.delay, 2)
        getattr(log, _LEVELS.get(event, "warning"))(event, **fields)
    if "refused" in states:
        raise LeaseLost(f"{states.count('refused')} of {len(states)} outcomes were refused")
