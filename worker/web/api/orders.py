"""Find an order, read what happened to it, and decide about it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from worker.operations.decisions import DECISIONS, decide, possible, seen
from worker.operations.event_words import describe_event
from worker.operations.left_out import reason_of, remedy_of
from worker.operations.lookup import find_by_email, find_orders, look_up
from worker.operations.next_steps import next_steps
from worker.operations.sentences import summaries
from worker.store.audit import Actor, record
from worker.store.orders.held_data import Place
from worker.web.api import models
from worker.web.api.call import Asked, Call, Problem
from worker.web.paths import order_path
from worker.web.words import DECISIONS as WORDS
from worker.web.words import STATES

if TYPE_CHECKING:
    from worker.operations.lookup import FoundOrder
    from worker.operations.next_steps import NextStep
    from worker.store.orders.ledger import Entry

#: Orders that a search lists.
_MOST: Final = 100
#: Seconds of one part of a search for an e-mail address.
_SECONDS: Final = 2.0
#: The states of which the reason is returned.
_STOPPED: Final = frozenset({"dead", "held", "in_doubt", "queued"})


def _time(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)


def _place(entry: Entry) -> dict[str, Any]:
    state = entry.record["state"]
    done = int(entry.record["done"]) if "done" in entry.record else None
    return {
        "target": entry.target,
        "state": state,
        "state_text": STATES.get(state, (state.replace("_", " "), ""))[0],
        "delivered_at": None if done is None else _time(done),
    }


def _order(asked: Asked, found: FoundOrder) -> dict[str, Any]:
    provider, _, external_id = found.key.partition(":")
    console = asked.rt.settings.web.url
    return {
        "key": found.key,
        "provider": provider,
        "external_id": external_id,
        "found_by": found.found_by,
        "url": f"{console}{order_path(found.key)}" if console else None,
        "targets": [_place(entry) for entry in found.entries],
        "left_out": [
            {"target": each.target, "reason": reason_of(each.rule), "next": remedy_of(asked.rt, provider, each)}
            for each in found.left_out
        ],
        "unreadable": found.unreadable and {name: found.unreadable[name] for name in ("field", "reason")},
        "to_be_read": found.hint is not None,
    }


def _search(asked: Asked) -> dict[str, Any]:
    number: str = asked.query.number
    if "@" in number:
        detail = "An e-mail address would be written into logs. Send it in the body: POST /api/v1/orders/search"
        raise Problem(400, "personal", detail)
    found = find_orders(asked.rt, number)
    return {"orders": [_order(asked, each) for each in found[:_MOST]], "more": max(0, len(found) - _MOST)}


def _search_email(asked: Asked) -> dict[str, Any]:
    wish: models.EmailSearch = asked.body
    found, part = find_by_email(asked.rt, wish.email, Place.read(wish.place), _SECONDS)
    place = None if part.place is None else str(part.place)
    return {"orders": [_order(asked, each) for each in found], "place": place, "share": part.share}


def _found(asked: Asked) -> FoundOrder:
    key = asked.values["key"]
    orders = look_up(asked.rt, {key: "the order key"}) if ":" in key else []
    if not orders:
        raise Problem(404, "order_unknown", "No order of this key is known. Find its key by its number first.")
    return orders[0]


def _show(asked: Asked) -> dict[str, Any]:
    if asked.query.content and not asked.token.may("support"):
        raise Problem(403, "role", "The content of an order is personal data: it needs the role support.")
    found = _found(asked)
    steps = next_steps(asked.rt, found.key, found.entries)
    deliveries = [_delivery(asked, found.key, entry, step) for entry, step in zip(found.entries, steps, strict=True)]
    content = _content(asked, found) if asked.query.content else None
    return _order(asked, found) | {"targets": deliveries, "content": content}


def _content(asked: Asked, found: FoundOrder) -> dict[str, Any] | None:
    for entry in found.entries:
        stuck = asked.rt.stuck.get(entry.target)
        if stuck is not None and (text := stuck.payload(found.key)) is not None:
            content: dict[str, Any] = json.loads(text)
            return content
    return None


def _delivery(asked: Asked, key: str, entry: Entry, step: NextStep) -> dict[str, Any]:
    known = entry.record
    stopped = known["state"] in _STOPPED
    stuck = asked.rt.stuck.get(entry.target)
    said = summaries(stuck, [key])[0].said if stuck and stopped else ""
    offered = [decision.name for decision in possible(entry) if asked.token.may(WORDS[decision.name].role)]
    return _place(entry) | {
        "reference": known.get("reference", ""),
        "target_id": known.get("target_id", ""),
        "tries": int(known.get("tries", 0)),
        "code": known.get("code", "") if stopped else "",
        "reason": known.get("detail", "") if stopped else "",
        "said": said,
        "next": str(step),
        "actions": offered if stuck else [],
        "seen": seen(entry),
        "history": [
            {"at": _time(at), "event": described.title, "detail": described.detail}
            for at, described in ((at, describe_event(event)) for at, event in entry.history)
        ],
    }


def _act(asked: Asked) -> dict[str, Any]:
    wish: models.OrderAction = asked.body
    decision = DECISIONS[wish.action]
    if not asked.token.may(WORDS[wish.action].role):
        raise Problem(403, "role", f"This action needs the role {WORDS[wish.action].role}.")
    found = _found(asked)
    entry = next((each for each in found.entries if each.target == wish.target), None)
    if entry is None or wish.target not in asked.rt.stuck:
        raise Problem(404, "target_unknown", "The order is not in this target. See `targets` of the order.")
    if entry.record["state"] != decision.state or wish.seen != seen(entry):
        raise _changed(entry)
    asked.rt.installation.refuse()
    name, target_id = asked.token.name, wish.target_id if wish.action == "delivered" else ""
    actor, given = Actor(name, "api", asked.origin), {"decision": wish.action}
    with record(asked.rt.redis, actor, "order decide", accounts=[wish.target], given=given, orders=[found.key]) as act:
        result = decide(asked.rt, wish.target, found.key, decision, source=f"by {name}", target_id=target_id)
        act.count(done=int(result == "done"))
    if result != "done":
        raise _changed(entry)
    return {"result": result}


def _changed(entry: Entry) -> Problem:
    text = f"The order changed since it was read; it was {entry.record['state']} in {entry.target}. Nothing was done."
    return Problem(409, "changed", f"{text} Read it again.")


CALLS: Final = (
    Call(
        "/orders", "GET", _search, "Find orders by a number, an id, a reference or a key", models.Found,
        role="viewer", query=models.SearchQuery,
    ),
    Call(
        "/orders/search", "POST", _search_email, "Find undelivered orders by an e-mail address",
        models.FoundByEmail, role="support", body=models.EmailSearch,
    ),
    Call(
        "/orders/{key}/actions", "POST", _act, "Decide about an order in a target", models.Done,
        role="support", body=models.OrderAction, refusals=(404, 409),
    ),
    Call(
        "/orders/{key}", "GET", _show, "Show an order, its history in each target, and what happens next",
        models.Order, role="viewer", query=models.OrderQuery, refusals=(404,),
    ),
)  # fmt: skip
