"""One order: where it is in each target, what happened, what happens next, and what a person can do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from schemas.order import Order
from worker.operations.decisions import possible
from worker.operations.event_words import describe_event
from worker.operations.left_out import reason_of, remedy_of
from worker.operations.lookup import look_up
from worker.operations.next_steps import next_steps
from worker.operations.reasons import reason
from worker.web.page import Page, Refused
from worker.web.words import DECISIONS, STATES

if TYPE_CHECKING:
    from starlette.responses import Response

    from worker.operations.lookup import FoundOrder
    from worker.operations.next_steps import NextStep
    from worker.store.orders.ledger import Entry
    from worker.web.visit import Visit

#: The codes whose sentence is the target's own.
_QUOTED: Final = frozenset({"rejected", "unavailable"})
#: The states in which a person can correct what the target refused.
_CORRECTABLE: Final = frozenset({"dead", "held"})
#: The states of which the reason and the target's own sentence are shown.
_STOPPED: Final = frozenset({"dead", "held", "in_doubt", "queued"})


def found_order(visit: Visit, key: str) -> FoundOrder:
    """Return what is known of an order key. Raise Refused if that is nothing."""
    orders = look_up(visit.rt, {key: ""}) if ":" in key else []
    if not orders:
        text = "No order of this key is known here. Search for its number, or for the id that it has in the shop."
        raise Refused(404, "This order is not known", text)
    return orders[0]


def _delivery(visit: Visit, entry: Entry, step: NextStep) -> dict[str, Any]:
    """Return what the page shows of an order in one target."""
    record, state = entry.record, entry.record["state"]
    words, tone = STATES.get(state, (state.replace("_", " "), ""))
    code = record.get("code", "") if state in _STOPPED else ""
    offered = [(decision.name, DECISIONS[decision.name]) for decision in possible(entry)]
    actions = [(name, each) for name, each in offered if visit.may(each.role)] if entry.target in visit.rt.stuck else []
    return {
        "target": entry.target,
        "state": words,
        "tone": tone,
        "reason": reason(code) if code else "",
        "sentence": record.get("detail", "") if code else "",
        "quoted": code in _QUOTED,
        "fields": _fields(record.get("fields", "")),
        "reference": record.get("reference", ""),
        "target_id": record.get("target_id", ""),
        "tries": int(record.get("tries", 0)),
        "most_tries": _most_tries(visit, entry.target),
        "next": step,
        "actions": actions,
        "correctable": state in _CORRECTABLE and entry.target in visit.rt.stuck and visit.may("operator"),
        "history": [(at, *describe_event(event)) for at, event in reversed(entry.history)],
        "done": int(record["done"]) if "done" in record else None,
    }


def _most_tries(visit: Visit, target: str) -> int:
    account = visit.rt.settings.targets.get(target)
    return account.max_tries if account else 0


def _fields(text: str) -> dict[str, str]:
    """Return what the target said of single fields, by field."""
    try:
        fields = json.loads(text or "{}")
    except ValueError:
        return {}
    if not isinstance(fields, dict):
        return {}
    return {
        name: ", ".join(map(str, value)) if isinstance(value, list) else str(value) for name, value in fields.items()
    }


def content_of(visit: Visit, key: str, targets: list[str]) -> Order | None:
    """Return the order as it is to be sent, while a target still waits for it; None for who may not see it."""
    if not visit.may("support"):
        return None
    for target in targets:
        payload = visit.rt.stuck[target].payload(key) if target in visit.rt.stuck else None
        if payload is not None:
            return Order.model_validate_json(payload)
    return None


def _show(visit: Visit) -> Response:
    key = visit.values["key"]
    order = found_order(visit, key)
    steps = next_steps(visit.rt, order.key, order.entries)
    provider, _, external_id = order.key.partition(":")
    left_out = [
        {"target": found.target, "why": reason_of(found.rule), "remedy": remedy_of(visit.rt, provider, found)}
        for found in order.left_out
    ]
    content = content_of(visit, order.key, [entry.target for entry in order.entries])
    shown = ("field", "reason", "raw") if visit.may("support") else ("field", "reason")
    unreadable = order.unreadable and {name: order.unreadable[name] for name in shown}
    return visit.render(
        "order.html",
        key=order.key,
        provider=provider,
        external_id=external_id,
        deliveries=[_delivery(visit, entry, step) for entry, step in zip(order.entries, steps, strict=True)],
        left_out=left_out,
        unreadable=unreadable,
        hint=order.hint,
        content=content,
        raw=content.model_dump_json(indent=2, exclude_defaults=True) if content else "",
    )


PAGES: Final = (Page("/orders/{key:path}", _show, "viewer"),)
