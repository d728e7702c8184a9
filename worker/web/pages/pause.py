"""Pause and resume a provider or a target."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from worker.durations import parse_duration
from worker.web.page import Page, Refused, missing

if TYPE_CHECKING:
    from starlette.responses import Response

    from worker.web.visit import Visit

#: How long a pause may be: what is sent, and what is shown. "": until somebody resumes it.
_LENGTHS: Final = {
    "": "until somebody resumes it",
    "30m": "30 minutes",
    "2h": "2 hours",
    "8h": "8 hours",
    "1d": "1 day",
    "7d": "7 days",
}
_LONGEST: Final = 200


def _account(visit: Visit) -> tuple[str, bool, str | None]:
    """Return the name of the account, whether it is a target, and why it is paused; None if it is not."""
    name, is_target = visit.values["name"], visit.values["side"] == "targets"
    if visit.values["side"] not in {"targets", "providers"}:
        raise missing()
    if name not in (visit.rt.settings.targets if is_target else visit.rt.settings.providers):
        raise missing("This account")
    status = visit.rt.lanes[name].status() if is_target else visit.rt.cursors.status(name)
    return name, is_target, str(status["paused"]) if "paused" in status else None


def _digest(paused: str | None) -> str:
    """Return what the form carries of the pause that it shows: a browser changes line ends and spaces of a text."""
    return "" if paused is None else hashlib.sha256(paused.encode()).hexdigest()[:16]


def _show(visit: Visit) -> Response:
    name, is_target, paused = _account(visit)
    return visit.render(
        "pause.html", name=name, is_target=is_target, paused=paused, seen=_digest(paused), lengths=_LENGTHS
    )


def _faster(visit: Visit) -> Refused:
    """Return the refusal for a person whom another one forestalled."""
    name, _, paused = _account(visit)
    now = "is not paused any more" if paused is None else f"is already paused: “{paused}”"
    return Refused(
        409, "Someone else changed it first", f"{name} {now}. Nothing was done. Open the page again to change it."
    )


def _pause(visit: Visit) -> Response:
    name, is_target, paused = _account(visit)
    if paused is not None:
        raise _faster(visit)
    length = visit.entry("length")
    seconds = parse_duration(length) if length in _LENGTHS and length else None
    reason = visit.entry("reason")[:_LONGEST] or "from the console"
    with visit.recorded("pause", name, reason=reason, length=length or None):
        if is_target:
            done = visit.rt.lanes[name].pause(reason, seconds, seen="")
        else:
            done = visit.rt.cursors.pause(name, reason, seconds, seen="")
        if not done:
            raise _faster(visit)
    return visit.redirect("/", f"{name} is paused.")


def _resume(visit: Visit) -> Response:
    name, is_target, paused = _account(visit)
    if paused is None:
        return visit.redirect("/", f"{name} was already resumed.")
    if visit.entry("seen") != _digest(paused):
        raise _faster(visit)
    with visit.recorded("resume", name, was=paused):
        done = visit.rt.lanes[name].resume(seen=paused) if is_target else visit.rt.cursors.resume(name, seen=paused)
        if not done:
            raise _faster(visit)
    return visit.redirect("/", f"{name} is resumed.")


PAGES: Final = (
    Page("/{side}/{name}/pause", _show, "operator"),
    Page("/{side}/{name}/pause", _pause, "operator", "POST"),
    Page("/{side}/{name}/resume", _resume, "operator", "POST"),
)
