"""Deliver: take orders from one lane, make each exist in the target, write down what became of it."""

from __future__ import annotations

import time
import traceback
from typing import TYPE_CHECKING

import simplejson
import structlog

from schemas.order import Order
from worker.app import app, hint
from worker.errors import AuthFailed, IntakeError, LeaseLost, PermanentError, RetryableError, SnoozeError, Uncertain
from worker.http import guarded
from worker.retry import backoff
from worker.runtime import Runtime, runtime
from worker.store.lanes import Claim, Outcome
from worker.targets.contract import Pending

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.store.lanes import Drain, Lane
    from worker.targets.contract import Receipt, Target

log = structlog.get_logger()

#: Orders claimed at once from a lane without a limit.
BATCH = 50
#: Seconds an outcome may wait for company before it is written down.
SETTLE_WITHIN = 0.25


@app.task(name="tasks.deliver")
def deliver_lane(name: str) -> None:
    """Celery's door to `deliver`."""
    rt = runtime()
    rt.hints.taken("deliver", name)
    deliver(rt, name, hint)


def deliver(rt: Runtime, name: str, wake: Callable[[str, str], None]) -> None:
    """Drain the lane of target `name` until it is empty, closed, or the time of one drain is up."""
    lane, target = rt.lanes[name], rt.targets[name]
    until = time.monotonic() + rt.settings.clocks.drain
    with lane.drain() as drain, guarded(drain.check):
        try:
            while claims := drain.claim(BATCH):
                _work(lane, target, drain, claims, until)
                if time.monotonic() > until:
                    drain.leave()
                    wake("deliver", name)
                    return
        except LeaseLost as lost:
            log.warning("drain.fenced", lane=name, drain=drain.name, reason=str(lost))


def _work(lane: Lane, target: Target, drain: Drain, claims: list[Claim], until: float) -> None:
    """Deliver the claims one after the other; what the limit or the time does not let out is handed back."""
    settled: list[tuple[Claim, Outcome]] = []
    flushed = time.monotonic()
    stop, refused = False, ""
    for claim in claims:
        now = time.monotonic()
        if settled and now - flushed > SETTLE_WITHIN:
            _settle(target, drain, settled)
            settled, flushed = [], now
        if stop or now > until:
            settled.append((claim, Outcome("release")))
            continue
        outcome = attempt(target, claim)
        settled.append((claim, outcome))
        # What stops one order of a lane stops them all: a limit, a maintenance, a wrong key.
        stop = outcome.what == "snooze"
        if outcome.code == AuthFailed.code:
            refused = outcome.detail
    _settle(target, drain, settled)
    if refused:
        lane.pause(refused)
        log.error("lane.paused", lane=target.name, reason=refused, remedy=f"mend it, then: intake resume {target.name}")


def attempt(target: Target, claim: Claim) -> Outcome:
    """Make one order exist in the target; never raises but LeaseLost."""
    asking = claim.uncertain
    try:
        found = target.find(claim.reference) if asking else None
        if found is not None:
            return Outcome("existed", "found", extra=found.target_id or "")
        asking = False
        order = Order.model_validate_json(claim.payload)
        receipt = target.create(order, claim.reference)
        if isinstance(receipt, Pending):
            return Outcome("snooze", "pending", receipt.step, receipt.delay, uncertain=True)
        return Outcome("existed" if receipt.existed else "delivered", extra=_id(target, claim, receipt))
    except LeaseLost:
        raise
    except SnoozeError as wait:
        return Outcome("snooze", wait.code, str(wait), wait.delay, uncertain=wait.uncertain)
    except RetryableError as again:
        return Outcome("retry", again.code, str(again), backoff(claim.tries), uncertain=isinstance(again, Uncertain))
    except PermanentError as refused:
        fields = simplejson.dumps(refused.fields, default=str) if refused.fields else ""
        # A target that will not be asked has said nothing of the order: it may be there.
        return Outcome("doubt" if asking else "bury", refused.code, str(refused), extra=fields)
    except Exception as bug:  # noqa: BLE001  # the adapter stumbled, maybe after it had sent: say where, not with what
        frame = traceback.extract_tb(bug.__traceback__)[-1]
        detail = f"{type(bug).__name__} in {frame.name}, line {frame.lineno}"
        return Outcome("retry", "bug", detail, backoff(claim.tries), uncertain=True)


def _id(target: Target, claim: Claim, receipt: Receipt) -> str:
    """The target's id of the order; asked for where "already there" came without it, and done without if need be."""
    if receipt.target_id is not None:
        return receipt.target_id
    try:
        found = target.find(claim.reference)
    except LeaseLost:
        raise
    except IntakeError:
        return ""
    return (found.target_id or "") if found else ""


#: How a state is told in the log, by what the drain wrote.
_EVENTS = {
    "delivered": "order.delivered",
    "existed": "order.delivered",
    "retry": "order.retried",
    "snooze": "order.snoozed",
    "release": "order.released",
    "bury": "order.buried",
    "doubt": "order.doubted",
}


def _settle(target: Target, drain: Drain, settled: list[tuple[Claim, Outcome]]) -> None:
    states = drain.settle(settled)
    for (claim, outcome), state in zip(settled, states, strict=True):
        event = "order.refused" if state == "refused" else _EVENTS[outcome.what]
        if state in {"dead", "in_doubt"}:
            event = "order.buried" if state == "dead" else "order.doubted"
        level = "debug" if event == "order.released" else "info"
        if event not in {"order.delivered", "order.released", "order.snoozed"}:
            level = "warning"
        fields: dict[str, object] = {"target": target.name, "order": claim.key, "state": state}
        if outcome.code:
            fields |= {"code": outcome.code, "reason": outcome.detail, "attempt": claim.tries + 1}
        if outcome.delay:
            fields["delay"] = round(outcome.delay, 2)
        getattr(log, level)(event, **fields)
    if "refused" in states:
        raise LeaseLost(f"{states.count('refused')} of {len(states)} outcomes were refused")
