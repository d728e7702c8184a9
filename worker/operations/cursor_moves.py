"""Move the cursor of a provider by hand: the preview, and the move. Of two people who do it at once, one succeeds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from worker.operations.cursor_words import cursor_time
from worker.operations.times import age, ago

if TYPE_CHECKING:
    from datetime import datetime

    from worker.runtime import Runtime


@dataclass(frozen=True, slots=True)
class CursorMove:
    """A move of a cursor: from the value that the person saw to another one, and up to when everything is read then."""

    provider: str
    #: The value before, and when everything was read up to; None if it has no time.
    before: str
    was: datetime | None
    value: str
    at: datetime
    now: datetime
    #: Whether the former value comes back.
    back: bool = False

    @property
    def seen(self) -> str:
        """What identifies the value before: a move of another value is another move."""
        return seen_of(self.before)

    @property
    def changes(self) -> bool:
        """Whether the cursor would move at all."""
        return self.before != self.value

    @property
    def consequence(self) -> str:
        """What happens if the cursor moves."""
        name, was = self.provider, self.was
        to = f"{self.at:%Y-%m-%d %H:%M:%S} UTC ({ago((self.now - self.at).total_seconds())})"
        if was is None:
            return f"{name}: everything that changed since {to} is read."
        if self.at < was:
            span = age((was - self.at).total_seconds())
            return f"{name}: changes in the {span} from {to} to {was:%Y-%m-%d %H:%M:%S} UTC are read again."
        if self.at > was:
            span = age((self.at - was).total_seconds())
            return (
                f"{name}: changes in the {span} from {was:%Y-%m-%d %H:%M:%S} UTC to {to} are NOT read by polls. Orders"
                " that were read before are kept."
            )
        return f"{name}: the cursor stays at {to}."

    @property
    def given(self) -> dict[str, str]:
        """What the audit log keeps of it."""
        to, was = f"{self.at:%Y-%m-%d %H:%M:%S} UTC", self.was
        return {"to": to} | ({"was": f"{was:%Y-%m-%d %H:%M:%S} UTC"} if was else {})


def seen_of(value: str) -> str:
    """Return what identifies a value of a cursor."""
    return hashlib.sha256(value.encode()).hexdigest()[:16]


def plan_move(rt: Runtime, name: str, at: datetime, now: datetime) -> CursorMove:
    """Return the move of a provider's cursor to a time."""
    before = rt.cursors.status(name).get("value", "")
    return CursorMove(name, before, cursor_time(before), rt.providers[name].start(at), at, now)


def plan_undo(rt: Runtime, name: str, now: datetime) -> CursorMove | None:
    """Return the move back to the value before the last move by hand; None if it was never moved by hand."""
    before, former = rt.cursors.status(name).get("value", ""), rt.cursors.former_values(name)
    if not former:
        return None
    value = former[0][1]
    at = cursor_time(value) or min(now, rt.settings.providers[name].start)
    return CursorMove(name, before, cursor_time(before), value, at, now, back=True)


def carry_out(rt: Runtime, move: CursorMove) -> bool:
    """Move the cursor; return False, and change nothing, if it moved meanwhile."""
    place = rt.cursors.undo if move.back else rt.cursors.place
    return bool(place(move.provider, move.before, move.value))
