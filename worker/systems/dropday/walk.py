"""The cursor of Dropday's list of orders: what to request, and the next place after a page."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict

from schemas.times import latest_of
from worker.systems.paging import PagePosition

if TYPE_CHECKING:
    from schemas.dropday_list import Rows

#: The zone of `date_from` is not documented. The request starts this much earlier: no zone is farther behind UTC.
FARTHEST_ZONE: Final = timedelta(hours=12)


class Place(BaseModel):
    """The place of the reading.

    The list has the time of creation as its only filter, the newest orders first, and grows at the front while it is
    read. So a pass reads all pages of a window that begins at `since` and has no end. A new order at the front pushes
    others to later pages, where they are read twice, and is itself read by the next pass. An order that leaves the
    list pulls others to pages that were read already: `total` is then smaller than on the page before, and the pass
    starts again. At its end, `since` moves to the `newest` order that it saw, minus the window: during that time
    every pass reads an order again, with its changes. An order with a time of creation later than the server's clock
    does not move `since`, or the orders created until then would be skipped.
    """

    model_config = ConfigDict(defer_build=True, frozen=True)

    since: datetime
    rows: PagePosition = PagePosition()
    newest: datetime | None = None
    total: int | None = None

    @classmethod
    def start(cls, since: datetime) -> Place:
        """Return the place before everything that was created or changed at or after `since`."""
        return cls(since=since.astimezone(UTC))

    def text(self) -> str:
        """Return the place as a cursor: equal places have equal texts."""
        return self.model_dump_json(exclude_defaults=True)

    def query(self) -> list[tuple[str, str]]:
        """Return the filter of the request."""
        return [("date_from", f"{self.since - FARTHEST_ZONE:%Y-%m-%dT%H:%M:%S}")]

    def select(self, rows: Rows) -> list[dict[str, Any]]:
        """Return the orders in the window, and those without a time of creation."""
        return [row for row in rows.data if (at := _latest(row)) is None or at >= self.since]

    def after(self, rows: Rows, size: int, window: timedelta, now: datetime | None = None) -> Place:
        """Return the next place, by the server's clock `now`; it equals this one if the list is empty.

        `size` is the usual size of a page.
        """
        times = [at for row in rows.data if (at := moment(row.get("created_at")))]
        made = [at for at in times if now is None or at <= now]
        newest = max([*made, *([self.newest] if self.newest else [])], default=None)
        if self.total is not None and rows.count is not None and rows.count < self.total:
            return Place(since=self.since, newest=newest)
        if not rows.ends_at(self.rows.number(size)):
            return Place(since=self.since, rows=self.rows.after(size), newest=newest, total=rows.count)
        return Place(since=max(self.since, newest - window) if newest else self.since)

    def probable(self, size: int) -> Place | None:
        """Return the next place if the list does not change meanwhile; None at its end, and if that is not known."""
        if self.total is None or not self.is_within or self.rows.skip + self.rows.size(size) >= self.total:
            return None
        return self.model_copy(update={"rows": self.rows.after(size)})

    @property
    def is_within(self) -> bool:
        """Whether the place is in the middle of a pass."""
        return self.rows.skip > 0 or self.newest is not None


def moment(text: object) -> datetime | None:
    """Return a time of the list (UTC, microseconds); None for any other value, or a time without a zone."""
    with suppress(ValueError, OverflowError):
        if isinstance(text, str) and (at := datetime.fromisoformat(text)).tzinfo:
            return at.astimezone(UTC)
    return None


def _latest(row: dict[str, Any]) -> datetime | None:
    return latest_of(at for name in ("created_at", "updated_at") if (at := moment(row.get(name))))
