"""The cursor of RetailCRM's history feed: what to request, and the next place after a page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Final, NamedTuple

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from schemas.retailcrm import Change, History

#: Reading by date starts this much earlier: a local time in the hour that repeats in autumn means two moments.
FOLD: Final = timedelta(hours=1)


class Position(NamedTuple):
    """The last history id that was read, and the time of that change (UTC). With the id 0, reading goes by the time."""

    id: int
    at: datetime


class Place(BaseModel):
    """The place of the reading.

    No change can appear any more at or before `safe`. `read` is the last change of this pass. After its end the next
    pass begins at `safe`: a change gets its id before it becomes visible, so a newer one may be visible first. `page`
    is set while reading goes by date.
    """

    model_config = ConfigDict(defer_build=True, frozen=True)

    safe: Position
    read: Position | None = None
    page: int = 0

    @classmethod
    def start(cls, since: datetime) -> Place:
        """Return the place before everything that changed at or after `since`."""
        return cls(safe=Position(0, since.astimezone(UTC)))

    def text(self) -> str:
        """Return the place as a cursor: equal places have equal texts."""
        return self.model_dump_json(exclude_defaults=True)

    def query(self, zone: ZoneInfo) -> list[tuple[str, str]]:
        """Return the parameters of the request: never `page` with `sinceId`, which the server refuses."""
        current = self.read or self.safe
        if current.id and not self.page:
            return [("filter[sinceId]", str(current.id))]
        start = (current.at - FOLD).astimezone(zone)
        return [("filter[startDate]", f"{start:%Y-%m-%d %H:%M:%S}"), ("page", str(max(1, self.page)))]

    def new(self, answer: History) -> list[Change]:
        """Return the changes that this pass has not read yet."""
        current = self.read or self.safe
        return [change for change in answer.history if change.id > current.id]

    def after(self, answer: History, zone: ZoneInfo, overlap: timedelta) -> Place:
        """Return the next place; `overlap` is the longest time until a change becomes visible."""
        current, new, more = self.read or self.safe, self.new(answer), answer.pagination.more
        if not new:
            # A page may be empty before the last one. It has no id to advance to, so such a stretch is read by date.
            by_date = self.page or (0 if current.id else 1)
            return Place(safe=self.safe, read=self.read, page=by_date + 1) if more else Place(safe=self.safe)
        safe = self.safe
        if current == safe:  # else a change may still appear between `safe` and the first change of this page
            now = (answer.generated_at or new[-1].created_at).replace(tzinfo=zone).astimezone(UTC)
            for change in takewhile(lambda change: now - _latest(change.created_at, zone) >= overlap, new):
                safe = _position(change, zone)
        return Place(safe=safe, read=_position(new[-1], zone)) if more else Place(safe=safe)


def _position(change: Change, zone: ZoneInfo) -> Position:
    """Return the position of a change, at the earlier of two possible moments: reading by date skips nothing."""
    return Position(change.id, change.created_at.replace(tzinfo=zone).astimezone(UTC))


def _latest(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the later of two possible moments: a change never counts as older than it is."""
    return local.replace(tzinfo=zone, fold=1).astimezone(UTC)
