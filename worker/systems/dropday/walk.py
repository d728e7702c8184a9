"""The cursor of Dropday's list of orders: what to ask for, where to go on after the answer."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from schemas.dropday_list import Rows

#: No page says of which zone `date_from` is, so we ask from so much earlier: no zone is farther behind UTC.
FARTHEST_ZONE: Final = timedelta(hours=12)


class Place(BaseModel):
    """Where reading stands.

    The list can be asked by the time of creation alone, has the newest first, and grows at the front while it is
    read. So a pass reads all pages of a window that begins at `since` and has no end, forwards: what comes in at the
    front pushes orders to later pages, where they are read twice, and is itself read by the next pass. Only orders
    that leave the list could pull others over to pages that were read already; then `total` is smaller than on the
    page before, and the pass begins again. When it has come to the end, `since` moves up to the `newest` order that
    it saw, less the window: within that an order is read again by each pass, and its changes with it. An order that
    says it was made later than their own clock tells moves nothing: all that is made until then would be passed.
    """

    model_config = ConfigDict(frozen=True)

    since: datetime
    page: int = 1
    newest: datetime | None = None
    total: int | None = None

    @classmethod
    def start(cls, since: datetime) -> Place:
        """The place before everything that was created, or changed, at or after `since`."""
        return cls(since=since.astimezone(UTC))

    def text(self) -> str:
        """The place as a cursor; the same place is always the same text."""
        return self.model_dump_json(exclude_defaults=True)

    def query(self) -> list[tuple[str, str]]:
        """What to ask for."""
        return [("date_from", f"{self.since - FARTHEST_ZONE:%Y-%m-%dT%H:%M:%S}"), ("page", str(self.page))]

    def wanted(self, rows: Rows) -> list[dict[str, Any]]:
        """The orders that belong to the window, and those that do not say when they were made."""
        return [row for row in rows.data if (at := _latest(row)) is None or at >= self.since]

    def after(self, rows: Rows, window: timedelta, now: datetime | None = None) -> Place:
        """The place to read on from by their clock `now`; equal to this one where nothing was there."""
        told = [at for row in rows.data if (at := moment(row.get("created_at")))]
        made = [at for at in told if now is None or at <= now]
        newest = max([*made, *([self.newest] if self.newest else [])], default=None)
        if self.total is not None and rows.count is not None and rows.count < self.total:
            return Place(since=self.since, newest=newest)
        if not rows.ends_at(self.page):
            return Place(since=self.since, page=self.page + 1, newest=newest, total=rows.count)
        return Place(since=max(self.since, newest - window) if newest else self.since)

    @property
    def is_within(self) -> bool:
        """Whether this is in the middle of a pass."""
        return self.page > 1 or self.newest is not None


def moment(text: object) -> datetime | None:
    """A time as they write it (UTC, microseconds); None where it is none, or of no known zone."""
    with suppress(ValueError, OverflowError):
        if isinstance(text, str) and (at := datetime.fromisoformat(text)).tzinfo:
            return at.astimezone(UTC)
    return None


def _latest(row: dict[str, Any]) -> datetime | None:
    times = [at for name in ("created_at", "updated_at") if (at := moment(row.get(name)))]
    return max(times, default=None)
