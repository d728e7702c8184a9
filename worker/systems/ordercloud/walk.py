"""The cursor of OrderCloud's list of orders: what to request, and the next place after a page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from schemas.values import Moment
from worker.systems.paging import PagePosition

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from schemas.ordercloud import Rows

#: The resolution of times: the index may store them with fewer digits than the order itself.
TICK: Final = timedelta(milliseconds=1)
#: The number of records that are remembered, at about twenty characters each.
REMEMBERED: Final = 2000
#: The first guess at a time span with fewer orders than the server returns at once.
_LONGEST: Final = timedelta(days=32)
_SHORTEST: Final = timedelta(minutes=1)
_MOMENT: Final[TypeAdapter[datetime]] = TypeAdapter(Moment)


class Place(BaseModel):
    """The place of the reading: every order that changed before `at` minus the overlap was read.

    The list comes from an index, in which an order may appear after a newer one. So a pass begins at `at` minus the
    overlap, and ends at `until`, the newest order at its beginning: orders that are older than that by the overlap
    are in the index. An order that changes during the pass moves behind `until`, into the next pass. If a search
    finds more than the server returns, `window` is a guess at an end with fewer orders.

    The next query begins at `since`, the change of the last row, and returns the orders of that moment again. Only a
    `moment` with more rows than a page is read by itself, with page numbers. So is a page that cannot be read as a
    whole, in parts: `rows` counts what was read or given up behind `since`. If the `total` shrinks meanwhile, a row may
    have moved to a page that was read already, and reading begins again at `since`.

    A change with a time later than the server's clock is read. It moves `at` only to the clock at the beginning of
    the pass (`limit`), or the changes until then would be skipped.

    Each order costs a call, so `seen` remembers the rows that were returned recently.
    """

    model_config = ConfigDict(defer_build=True, frozen=True)

    at: datetime
    since: datetime | None = None
    until: datetime | None = None
    limit: datetime | None = None
    window: datetime | None = None
    moment: bool = False
    rows: PagePosition = PagePosition()
    total: int | None = None
    seen: tuple[str, ...] = ()

    @classmethod
    def start(cls, since: datetime) -> Place:
        """Return the place before everything that changed at or after `since`."""
        return cls(at=_tick(since.astimezone(UTC)))

    def text(self) -> str:
        """Return the place as a cursor: equal places have equal texts."""
        return self.model_dump_json(exclude_defaults=True)

    def begin(self, overlap: timedelta) -> Place:
        """Return the place in a pass, which begins here if none has begun."""
        return self if self.since else self.model_copy(update={"since": self.at - overlap})

    def bounds(self) -> list[tuple[str, str]]:
        """Return the filter. "Not before" is `!<`: there is no `>=`."""
        since = self.since or self.at
        until = since + TICK if self.moment else self.until or self.window
        return [("LastUpdated", f"!<{_format(since)}"), *([("LastUpdated", f"<{_format(until)}")] if until else [])]

    def narrow(self) -> Place | None:
        """Return the place with half of its time span; None if that is too short already."""
        since, until = self.since or self.at, self.until or self.window
        span = (until - since) / 2 if until else _LONGEST
        return None if span < _SHORTEST else self.model_copy(update={"window": _tick(since + span), "until": None})

    def up_to(self, rows: Sequence[dict[str, Any]], now: datetime | None = None) -> Place:
        """Return the place in a pass that ends with the newest of `rows`, by the server's clock `now`."""
        newest = max(_moments(rows), default=None)
        if newest is None:
            return self
        limit = now if now and newest > now else None
        return self.model_copy(update={"until": newest + TICK, "limit": limit})

    def after(self, rows: Rows, size: int, now: datetime | None = None) -> tuple[Place, bool]:
        """Return the place after this page, by the server's clock `now`, and whether more pages follow."""
        since, more = self.since or self.at, rows.more_after(self.rows.number(size), self.rows.size(size))
        newest = max(_moments(rows.items), default=since)
        if more and not self.moment and newest > since:
            return self.model_copy(update={"since": newest, "rows": self.rows.front(size), "total": None}), True
        if more and not self.moment and self.rows == PagePosition():
            return self.model_copy(update={"moment": True}), True
        if more or self.moment:
            return self._after_rows(rows.meta.total_count, size, more=more), True
        end = self.until or (newest + TICK if rows.items or self.rows.skip else self.at)
        limit = self.limit if self.until else now
        end = min(end, limit) if limit else end
        if end > self.at:
            # A pass up to the clock ends there. Another would read up to a later clock, and so on without an end.
            return Place(at=end, seen=self.seen), bool(self.window or (self.until and not limit))
        if self.window:
            return Place(at=self.at, since=self.window, seen=self.seen), True
        return Place(at=self.at, seen=self.seen), False

    def _after_rows(self, total: int | None, size: int, *, more: bool) -> Place:
        if self.total is not None and total is not None and total < self.total:
            return self.model_copy(update={"rows": self.rows.front(size), "total": None})
        if more:
            return self.model_copy(update={"rows": self.rows.after(size), "total": total})
        since = (self.since or self.at) + TICK
        return self.model_copy(update={"since": since, "moment": False, "rows": PagePosition(), "total": None})

    def remember(self, keys: Iterable[str]) -> Place:
        """Return the place, with these rows remembered as returned."""
        return self.model_copy(update={"seen": (*self.seen, *keys)[-REMEMBERED:]})


def moment(row: dict[str, Any]) -> datetime | None:
    """Return the time of the last change; None if it cannot be read. Digits below a microsecond are cut."""
    try:
        return _MOMENT.validate_python(row.get("LastUpdated"))
    except ValidationError:
        return None


def _moments(rows: Iterable[dict[str, Any]]) -> list[datetime]:
    return [_tick(at) for row in rows if (at := moment(row))]


def _tick(at: datetime) -> datetime:
    return at - timedelta(microseconds=at.microsecond % 1000)


def _format(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
