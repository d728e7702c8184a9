"""The cursor of OrderCloud's list of orders: what to ask for, where to go on after the answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from schemas.order import Moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from schemas.ordercloud import Rows

#: How finely times are told apart, for an index may keep them less finely than the order itself.
TICK: Final = timedelta(milliseconds=1)
#: So many records are remembered, at about twenty characters each.
REMEMBERED: Final = 2000
#: The first guess at how much time holds less than they find at once.
_LONGEST: Final = timedelta(days=32)
_SHORTEST: Final = timedelta(minutes=1)
_MOMENT: Final[TypeAdapter[datetime]] = TypeAdapter(Moment)


class Place(BaseModel):
    """Where reading stands: every order that changed before `at`, less the overlap, has been read.

    The list comes from an index to which an order may come later than a younger one. So a pass begins at `at` less
    the overlap, and ends at `until`, the youngest order when it began: what was older than that by the overlap was in
    the index by then. What changes while it is read moves behind `until`, into the next pass. Where more is found than
    they give at once, `window` is a guess at an end that holds less.

    Pages are never deep: the next query begins at `since`, the change of the last row, and finds again what is of
    the same moment. Only a moment with more rows than a page is read by `page`, alone; when its `total` shrinks, a
    row of it may have slipped to a page that was read, and the moment begins again.

    A change that is said to be later than their own clock tells is read, and moves `at` no further than where their
    clock was when the pass began (`limit`): all that changes until then would be passed.

    Each order costs a call of its own, so `seen` remembers which rows of late were returned.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    since: datetime | None = None
    until: datetime | None = None
    limit: datetime | None = None
    window: datetime | None = None
    page: int = 0
    total: int | None = None
    seen: tuple[str, ...] = ()

    @classmethod
    def start(cls, since: datetime) -> Place:
        """The place before everything that changed at or after `since`."""
        return cls(at=_tick(since.astimezone(UTC)))

    def text(self) -> str:
        """The place as a cursor; the same place is always the same text."""
        return self.model_dump_json(exclude_defaults=True)

    def begun(self, overlap: timedelta) -> Place:
        """This place within a pass."""
        return self if self.since else self.model_copy(update={"since": self.at - overlap})

    def bounds(self) -> list[tuple[str, str]]:
        """The filter: "not before" is `!<`, there is no `>=`."""
        since = self.since or self.at
        until = since + TICK if self.page else self.until or self.window
        return [("LastUpdated", f"!<{_said(since)}"), *([("LastUpdated", f"<{_said(until)}")] if until else [])]

    def narrowed(self) -> Place | None:
        """This place with half of the time before it; None where there is no less."""
        since, until = self.since or self.at, self.until or self.window
        span = (until - since) / 2 if until else _LONGEST
        return None if span < _SHORTEST else self.model_copy(update={"window": _tick(since + span), "until": None})

    def up_to(self, rows: Sequence[dict[str, Any]], now: datetime | None = None) -> Place:
        """This place in a pass that ends with the youngest of `rows`, by their clock `now`."""
        youngest = max(_moments(rows), default=None)
        if youngest is None:
            return self
        limit = now if now and youngest > now else None
        return self.model_copy(update={"until": youngest + TICK, "limit": limit})

    def after(self, rows: Rows, asked: int, now: datetime | None = None) -> tuple[Place, bool]:
        """The place after this page by their clock `now`, and whether more follows."""
        since, more = self.since or self.at, rows.more_after(self.page or 1, asked)
        if self.page:
            return self._after_page(since, rows.meta.total_count, more=more), True
        youngest = max(_moments(rows.items), default=since)
        if more:
            return self.model_copy(update={"since": youngest} if youngest > since else {"page": 1}), True
        end = self.until or (youngest + TICK if rows.items else self.at)
        limit = self.limit if self.until else now
        end = min(end, limit) if limit else end
        if end > self.at:
            return Place(at=end, seen=self.seen), bool(self.until or self.window)
        if self.window:
            return Place(at=self.at, since=self.window, seen=self.seen), True
        return Place(at=self.at, seen=self.seen), False

    def _after_page(self, since: datetime, total: int | None, *, more: bool) -> Place:
        if self.total is not None and total is not None and total < self.total:
            return self.model_copy(update={"page": 1, "total": None})
        if more:
            return self.model_copy(update={"page": self.page + 1, "total": total})
        return self.model_copy(update={"since": since + TICK, "page": 0, "total": None})

    def remembering(self, keys: Iterable[str]) -> Place:
        """This place, with these rows as the youngest of those returned."""
        return self.model_copy(update={"seen": (*self.seen, *keys)[-REMEMBERED:]})


def moment(row: dict[str, Any]) -> datetime | None:
    """When an order was changed; None where that cannot be read. Digits below a microsecond are cut."""
    try:
        return _MOMENT.validate_python(row.get("LastUpdated"))
    except ValidationError:
        return None


def _moments(rows: Iterable[dict[str, Any]]) -> list[datetime]:
    return [_tick(at) for row in rows if (at := moment(row))]


def _tick(at: datetime) -> datetime:
    return at - timedelta(microseconds=at.microsecond % 1000)


def _said(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
