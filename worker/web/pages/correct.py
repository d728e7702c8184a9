"""Correct an order that a target refused: new values, a page that shows what would be sent, and the correction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas.corrections import fields_of
from worker.operations.correct import (
    CorrectionRefused,
    carry_out,
    find_correctable,
    plan_correction,
    plan_undo,
)
from worker.operations.decisions import seen
from worker.operations.would_send import would_send
from worker.web.page import Page, Refused, missing
from worker.web.pages.order import found_order
from worker.web.paths import order_path

if TYPE_CHECKING:
    from starlette.responses import Response

    from worker.operations.correct import Correctable, Planned
    from worker.operations.would_send import WouldSend
    from worker.web.visit import Visit

#: What the name of a form's field begins with that holds the value of a field of the order.
_FIELD: Final = "field:"


def _found(visit: Visit) -> tuple[Correctable, str]:
    """Return the order, and what identifies its state. Raise Refused if the target does not have it."""
    target, key = visit.values["target"], visit.values["key"]
    if target not in visit.rt.stuck:
        raise missing()
    entry = next((each for each in found_order(visit, key).entries if each.target == target), None)
    if entry is None:
        raise missing("This order")
    return find_correctable(visit.rt, key, target), seen(entry)


def _refused(refused: CorrectionRefused) -> Refused:
    """Return the refusal in the words of the command, without what to type there."""
    text = str(refused).partition(" Next: ")[0]
    return Refused(409, "This cannot be corrected", f"{text[:1].upper()}{text[1:].rstrip('.')}.")


def _show(visit: Visit) -> Response:
    found, now = _found(visit)
    fields = fields_of(found.sent) if found.sent else {}
    if not fields:
        text = "Its content is not kept here any more: correct it in the target, or in the shop."
        raise Refused(409, "This order cannot be corrected", text)
    return visit.render("correct.html", found=found, fields=fields, seen=now, prefix=_FIELD)


def _planned(visit: Visit, found: Correctable) -> Planned:
    """Return the plan for what stands in the form."""
    by = visit.user.name if visit.user else ""
    if undone := visit.entry("undo"):
        return plan_undo(visit.rt, found, [undone], by)
    known = fields_of(found.sent) if found.sent else {}
    given = {path: visit.entry(f"{_FIELD}{path}") for path in known if f"{_FIELD}{path}" in visit.form}
    changed = {path: value for path, value in given.items() if value != known[path].strip()}
    if not changed:
        raise Refused(409, "Nothing would change", "No field was changed. Go back, and correct one.")
    return plan_correction(visit.rt, found, changed, by)


def _correct(visit: Visit) -> Response:
    found, now = _found(visit)
    if visit.entry("seen") != now:
        text = "It changed since you opened this page. Nothing was done. Open the order again, and see what happened."
        raise Refused(409, "Someone else changed it first", text)
    try:
        planned = _planned(visit, found)
        if not visit.entry("sure"):
            return _preview(visit, planned, now)
        visit.rt.installation.refuse()
        undo = bool(visit.entry("undo"))
        fields = ", ".join(planned.fields)
        with visit.recorded("correct", found.target, orders=[found.key], fields=fields, undo=undo or None):
            result = carry_out(visit.rt, planned)
    except CorrectionRefused as refused:
        raise _refused(refused) from None
    result = result.partition(" Next: ")[0].rstrip(".")
    return visit.redirect(order_path(found.key), f"{fields}: {'undone' if undo else 'corrected'}. {result}.")


def _preview(visit: Visit, planned: Planned, now: str) -> Response:
    """Return the page before the correction: the values before and after, and the request that would be sent."""
    found, before, after = planned.found, {}, {}
    if found.sent and planned.order:
        before, after = fields_of(found.sent), fields_of(planned.order)
    values = [(path, before.get(path, ""), after.get(path, "")) for path in planned.fields]
    return visit.render(
        "correct_preview.html",
        found=found,
        values=values,
        undo=visit.entry("undo"),
        would=_would_send(visit, planned),
        seen=now,
        prefix=_FIELD,
    )


def _would_send(visit: Visit, planned: Planned) -> WouldSend | None:
    if not planned.new.resend or planned.order is None:
        return None
    return would_send(visit.rt, planned.found.target, planned.order, planned.found.record)


PAGES: Final = (
    Page("/correct/{target}/{key:path}", _show, "operator"),
    Page("/correct/{target}/{key:path}", _correct, "operator", "POST"),
)
