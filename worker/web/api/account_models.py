"""What calls of the API about accounts take and return."""

from __future__ import annotations

from datetime import MAXYEAR, MINYEAR, UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field

from worker.web.api.models import Model

_FIRST, _LAST = datetime(MINYEAR, 1, 1, tzinfo=UTC), datetime(MAXYEAR, 12, 31, tzinfo=UTC)


def _in_utc(at: datetime) -> datetime:
    """Return the time in UTC; the first or the last one of the calendar where that is beyond it."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        return _FIRST if at.year == MINYEAR else _LAST


Time = Annotated[AwareDatetime, AfterValidator(_in_utc), Field(description="With its offset: 2026-11-01T00:00:00Z.")]


class BackfillState(Model):
    """How far a backfill is."""

    state: Literal["running", "stopped", "finished"]
    since: datetime
    until: datetime
    #: The part of the range that was read, from 0 to 1, estimated.
    read: float
    records: int
    error: str | None


class ProviderState(Model):
    """A provider."""

    name: str
    kind: str
    state: str
    paused: str | None
    #: Seconds since the last successful poll, and since everything was read up to.
    last_read_s: float | None
    behind_s: float | None
    records: int
    unreadable: int
    error: str | None
    #: What moves of the cursor need: they are refused if it moved since.
    cursor_seen: str
    read_up_to: datetime | None
    backfill: BackfillState | None


class TargetState(Model):
    """A target, and its lane."""

    name: str
    kind: str
    state: str
    paused: str | None
    queued: int
    being_sent: int
    #: Seconds for which the oldest due order waits.
    oldest_s: float | None
    dead: int
    held: int
    in_doubt: int


class Accounts(Model):
    """All providers and targets."""

    providers: list[ProviderState]
    targets: list[TargetState]


class Pause(Model):
    """A pause of an account."""

    reason: Annotated[
        str, Field(min_length=1, max_length=200, description="Visible to everyone: do not write personal data.")
    ]
    seconds: Annotated[float | None, Field(gt=0, le=31_536_000, description="Null: until it is resumed.")] = None


class Range(Model):
    """The range of a backfill: orders placed from `since` until before `until`, at most 400 days."""

    since: Time
    until: Time


class CursorTime(Model):
    """A move of a cursor."""

    since: Time
    seen: Annotated[str, Field(max_length=64, description="`cursor_seen` of the provider.")]
    dry_run: Annotated[bool, Field(description="Return what would happen, and change nothing.")] = False


class CursorUndo(Model):
    """The undoing of the last move of a cursor by hand."""

    seen: Annotated[str, Field(max_length=64, description="`cursor_seen` of the provider.")]
    dry_run: Annotated[bool, Field(description="Return what would happen, and change nothing.")] = False


class Changed(Model):
    """What an action did, or would do in a dry run."""

    result: Literal["done", "dry run"]
    text: str
