"""Decide about an order in a target: a page that shows what would happen, and the decision itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from worker.operations.decisions import DECISIONS, Decision, decide, seen
from worker.operations.event_words import describe_event
from worker.operations.times import utc_text
from worker.operations.would_send import would_send_now
from worker.web.page import Page, Refused, missing
from worker.web.pages.order import content_of, found_order
from worker.web.paths import order_path
from worker.web.words import DECISIONS as WORDS
from worker.web.words import STATES, Words

if TYPE_CHECKING:
    from starlette.responses import Response

    from worker.store.orders.ledger import Entry
    from worker.web.visit import Visit


def _asked(visit: Visit) -> tuple[Decision, Words, str, Entry]:
    """Return the decision, its words, the target, and the order there. Raise Refused if that is not possible."""
    decision, target = DECISIONS.get(visit.values["action"]), visit.values["target"]
    if decision is None or target not in visit.rt.stuck:
        raise missing()
    words = WORDS[decision.name]
    if not visit.may(words.role):
        text = f"Your role does not allow this. It needs the role {words.role}. Ask an operator for it."
        raise Refused(403, "You may not do this", text)
    order = found_order(visit, visit.values["key"])
    entry = next((each for each in order.entries if each.target == target), None)
    if entry is None:
        raise missing("This order")
    return decision, words, target, entry


#: The decisions after which the order is sent.
_SENDING: Final = frozenset({"resend", "release", "send"})


def _faster(target: str, entry: Entry) -> Refused:
    """Return the refusal of a decision that came too late, with what happened meanwhile."""
    state, _ = STATES.get(entry.record["state"], (entry.record["state"].replace("_", " "), ""))
    at, event = entry.history[-1] if entry.history else (0, "")
    last = describe_event(event)
    what = f" Last, at {utc_text(at)} UTC: {last.title}{f' ({last.detail})' if last.detail else ''}." if event else ""
    text = f"It changed since you opened this page. In {target} it is {state} now.{what} Nothing was done."
    return Refused(409, "Someone else changed it first", text)


def _show(visit: Visit) -> Response:
    decision, words, target, entry = _asked(visit)
    key = visit.values["key"]
    if entry.record["state"] != decision.state:
        raise _faster(target, entry)
    return visit.render(
        "decide.html",
        key=key,
        target=target,
        words=_filled(words, target),
        decision=decision,
        reference=entry.record.get("reference", ""),
        seen=seen(entry),
        sends=decision.name in _SENDING,
        would=would_send_now(visit.rt, target, key, entry.record) if decision.name in _SENDING else None,
        paused=visit.rt.lanes[target].status().get("paused"),
        content=content_of(visit, key, [target]),
    )


def _filled(words: Words, target: str) -> dict[str, Any]:
    return {
        "label": words.label.format(target=target),
        "question": words.question.format(target=target),
        "consequences": [text.format(target=target) for text in words.consequences],
        "danger": words.danger,
    }


def _decide(visit: Visit) -> Response:
    decision, words, target, entry = _asked(visit)
    key = visit.values["key"]
    if entry.record["state"] != decision.state or visit.entry("seen") != seen(entry):
        raise _faster(target, entry)
    visit.rt.installation.refuse()
    who = f"by {visit.user.name}" if visit.user else "by hand"
    target_id = visit.entry("target_id")[:200] if decision.name == "delivered" else ""
    with visit.recorded(decision.command, target, orders=[key], decision=decision.name) as act:
        result = decide(visit.rt, target, key, decision, source=who, target_id=target_id)
        act.count(**{result: 1})
    if result != "done":
        raise _faster(target, next(each for each in found_order(visit, key).entries if each.target == target))
    done = f"{target} is searched within seconds: the answer appears below." if decision.name == "ask" else ""
    return visit.redirect(order_path(key), done or f"{words.label.format(target=target)}: done.")


PAGES: Final = (
    # The role of each decision is checked as well.
    Page("/decide/{action}/{target}/{key:path}", _show, "support"),
    Page("/decide/{action}/{target}/{key:path}", _decide, "support", "POST"),
)
