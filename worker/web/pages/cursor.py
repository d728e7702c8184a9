"""Move the cursor of a provider, or undo the last move: a page that shows what would happen, and the move itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from worker.operations.cursor_moves import CursorMove, carry_out, plan_move, plan_undo
from worker.web.page import Page, Refused
from worker.web.pages.accounts import provider_of

if TYPE_CHECKING:
    from starlette.responses import Response

    from worker.web.visit import Visit


def _planned(visit: Visit, since: str) -> CursorMove:
    name, now = provider_of(visit), visit.rt.now()
    try:
        at = datetime.fromisoformat(since).replace(tzinfo=UTC)
        move = plan_move(visit.rt, name, at, now)
    except (ValueError, OverflowError):
        raise Refused(400, "This time is not valid", "Choose a day and a time, in UTC.") from None
    if at > now:
        raise Refused(400, "This time is in the future", f"Choose a time before now, {now:%Y-%m-%d %H:%M} UTC.")
    return move


def _planned_undo(visit: Visit) -> CursorMove:
    name = provider_of(visit)
    move = plan_undo(visit.rt, name, visit.rt.now())
    if move is None:
        raise Refused(409, "There is nothing to undo", f"The cursor of {name} was never moved by hand.")
    return move


def _preview(visit: Visit, move: CursorMove, since: str = "") -> Response:
    if not move.changes:
        return visit.redirect(f"/providers/{move.provider}", "The cursor is already there: nothing was changed.")
    forward = move.was is not None and move.at > move.was
    return visit.render("cursor.html", move=move, since=since, forward=forward)


def _move(visit: Visit, move: CursorMove) -> Response:
    name = move.provider
    faster = Refused(
        409,
        "Someone else moved it first",
        f"The cursor of {name} moved since you opened this page, by a poll or by somebody else. Nothing was done.",
    )
    if visit.entry("seen") != move.seen:
        raise faster
    visit.rt.installation.refuse()
    with visit.recorded(f"cursor {'undo' if move.back else 'set'}", name, **move.given):
        if not carry_out(visit.rt, move):
            raise faster
    return visit.redirect(f"/providers/{name}", "The cursor is moved. The next sweep polls the provider.")


PAGES: Final = (
    Page(
        "/providers/{name}/cursor",
        lambda visit: _preview(visit, _planned(visit, visit.query.get("since", "")), visit.query.get("since", "")),
        "operator",
        menu="Accounts",
    ),
    Page(
        "/providers/{name}/cursor",
        lambda visit: _move(visit, _planned(visit, visit.entry("since"))),
        "operator",
        "POST",
        menu="Accounts",
    ),
    Page(
        "/providers/{name}/cursor/undo",
        lambda visit: _preview(visit, _planned_undo(visit)),
        "operator",
        menu="Accounts",
    ),
    Page(
        "/providers/{name}/cursor/undo",
        lambda visit: _move(visit, _planned_undo(visit)),
        "operator",
        "POST",
        menu="Accounts",
    ),
)
