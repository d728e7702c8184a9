"""Settling: the outcomes of attempts are written to the ledger, and logged."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import structlog

from worker.errors import LeaseLost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.store.orders.drains import Claim, Drain, Outcome

log = structlog.get_logger()

#: The log event of each outcome.
_EVENTS: Final = {
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
_STATE_EVENTS: Final = {
    "dead": "order.buried",
    "in_doubt": "order.doubted",
    "held": "order.held",
    "refused": "order.refused",
    "withdrawn": "order.withdrawn",
}

#: What a summary calls the orders of each event; one that was released is as it was before.
WORDS: Final = {
    "order.delivered": "delivered",
    "order.updated": "updated",
    "order.cancelled": "cancelled",
    "order.withdrawn": "withdrawn",
    "order.pending": "pending",
    "order.retried": "retried",
    "order.snoozed": "waiting",
    "order.held": "held",
    "order.buried": "dead",
    "order.doubted": "in doubt",
}

#: The log level of each event; every other event is a warning.
_LEVELS: Final = {
    "order.released": "debug",
    "order.delivered": "info",
    "order.updated": "info",
    "order.cancelled": "info",
    "order.withdrawn": "info",
    "order.pending": "info",
    "order.snoozed": "info",
}


def settle(target: str, drain: Drain, settled: Sequence[tuple[Claim, Outcome]]) -> Counter[str]:
    """Write the outcomes to the ledger and log them; return the number of orders with each event.

    Raise LeaseLost if the ledger refused any of them.
    """
    counts: Counter[str] = Counter()
    drain.note_references([(claim, outcome.reference) for claim, outcome in settled if outcome.reference])
    states, bound = drain.settle(settled), log.bind()
    for (claim, outcome), state in zip(settled, states, strict=True):
        event = _STATE_EVENTS.get(state, _EVENTS[outcome.kind])
        counts[event] += 1
        fields: dict[str, object] = {"target": target, "order": claim.key, "state": state}
        if outcome.code:
            fields |= {"code": outcome.code, **({"reason": outcome.detail} if outcome.detail else {})}
            fields["attempt"] = claim.tries + 1
        if outcome.delay:
            fields["delay"] = round(outcome.delay, 2)
        getattr(bound, _LEVELS.get(event, "warning"))(event, **fields)
    if "refused" in states:
        raise LeaseLost(f"{states.count('refused')} of {len(states)} outcomes were refused")
    return counts
