"""Home: what needs a person, the flow of the last days, and the state of every provider and target."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from worker.operations.document import document
from worker.operations.states import lane_state, provider_state
from worker.web.flow import read_flow
from worker.web.needs import with_actions
from worker.web.page import Page

if TYPE_CHECKING:
    from starlette.responses import Response

    from worker.web.visit import Visit

#: The orders of a lane that wait for a person.
_STUCK: Final = ("dead_now", "in_doubt_now", "held_now")
_CALM: Final = ("ok", "reading", "not read yet")


def _tone(state: str) -> str:
    """Return how a state is coloured: well, busy (it recovers automatically), or halted."""
    if state.startswith(_CALM) or "sending" in state:
        return "well"
    return "halted" if state.startswith(("PAUSED", "FAILS")) else "busy"


def _accounts(document: dict[str, Any], section: str, state_of: Any) -> list[dict[str, Any]]:
    """Return the accounts of a section, those that are not well first."""
    rows = []
    for name, account in document[section].items():
        state = state_of(account)
        calls = document["limits"][account["limit"]]
        tone = _tone(state)
        if tone == "well" and any(account.get(each) for each in _STUCK):
            state, tone = "orders wait for you", "busy"
        rows.append(account | {"name": name, "state": state, "tone": tone, "calls": calls})
    return sorted(rows, key=lambda row: row["tone"] == "well")


def _show(visit: Visit) -> Response:
    status = document(visit.rt)
    now = datetime.fromtimestamp(status["at"], UTC)
    lanes = status["lanes"].values()
    return visit.render(
        "home.html",
        needs=with_actions(visit, status["attention"]),
        at=now,
        flow=read_flow(visit.rt, now.date(), visit.query.get("day", "")),
        waiting=sum(lane["queued"] + lane["in_flight"] for lane in lanes),
        stuck=sum(lane["dead_now"] + lane["in_doubt_now"] + lane["held_now"] for lane in lanes),
        providers=_accounts(status, "providers", provider_state),
        targets=_accounts(status, "lanes", lane_state),
        inbox=status["inbox"],
    )


PAGES: Final = (Page("/", _show, "viewer", menu="Home"),)
