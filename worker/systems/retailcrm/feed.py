"""The cursor of RetailCRM's history feed: what to ask for, where to go on after the answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Final, NamedTuple

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from schemas.retailcrm import Change, History

#: Reading by date starts so much earlier: the hour that comes twice in autumn has one name for two moments.
FOLD: Final = timedelta(hours=1)


class Position(NamedTuple):
    """After which history id to read on, and when that change was made (UTC); id 0: go by the time, no id is known."""

    id: int
    at: datetime


class Place(BaseModel):
    """Where reading stands.

    Nothing can turn up any more at or before `safe`. `read` is how far this pass came; a pass that reached the end
    begins again at `safe`, because a change gets its id before it can be seen: a younger one may be seen first.
    `page` is set while reading goes by date.
    """

    model_config = ConfigDict(frozen=True)

    safe: Position
    read: Position | None = None
    page: int = 0

    @classmethod
    def start(cls, since: datetime) -> Place:
        """The place before everything that changed at or after `since`."""
        return cls(safe=Position(0, since.astimezone(UTC)))

    def text(self) -> str:
        """The place as a cursor; the same place is always the same text."""
        return self.model_dump_json(exclude_defaults=True)

    def query(self, zone: ZoneInfo) -> list[tuple[str, str]]:
        """What to ask for: never `page` with `sinceId`, which the server refuses."""
        here = self.read or self.safe
        if here.id and not self.page:
            return [("filter[sinceId]", str(here.id))]
        start = (here.at - FOLD).astimezone(zone)
        return [("filter[startDate]", f"{start:%Y-%m-%d %H:%M:%S}"), ("page", str(max(1, self.page)))]

    def new(self, answer: History) -> list[Change]:
        """The changes that this pass has not had."""
        here = self.read or self.safe
        return [change for change in answer.history if change.id > here.id]

    def after(self, answer: History, zone: ZoneInfo, overlap: timedelta) -> Place:
        """The place to read on from; `overlap` is how long a change may take to be seen."""
        here, new, more = self.read or self.safe, self.new(answer), answer.pagination.more
        if not new:
            # The pages go by what is counted, and may be empty before the last one. An empty page has no id to
            # advance to, so such a stretch is read by date.
            by_date = self.page or (0 if here.id else 1)
            return Place(safe=self.safe, read=self.read, page=by_date + 1) if more else Place(safe=self.safe)
        safe = self.safe
        if here == safe:  # else something may still turn up between `safe` and the first change of this page
            now = (answer.generated_at or new[-1].created_at).replace(tzinfo=zone).astimezone(UTC)
            for change in takewhile(lambda change: now - _latest(change.created_at, zone) >= overlap, new):
                safe = _position(change, zone)
        return Place(safe=safe, read=_position(new[-1], zone)) if more else Place(safe=safe)


def _position(change: Change, zone: ZoneInfo) -> Position:
    """Of the two moments that an hour in autumn may mean, the earlier: reading by date then skips nothing."""
    return Position(change.id, change.created_at.replace(tzinfo=zone).astimezone(UTC))


def _latest(local: datetime, zone: ZoneInfo) -> datetime:
    """The later of those two moments: a change is never taken for older than it is."""
    return local.replace(tzinfo=zone, fold=1).astimezone(UTC)
