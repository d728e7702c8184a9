"""The cursor of Dropboy's list of orders: what to request, and the next place after a page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError

from schemas.dropboy import CHANGED, MADE, flat, shown
from schemas.times import latest_of
from worker.systems.dropboy.api import ids_of
from worker.systems.paging import ListPosition

_TIME: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)


class Place(BaseModel):
    """The place of the reading.

    The list has no filter and no documented order. So every pass reads all of it and starts from the same cursor: an
    order that a pass missed, because the list changed, is read by the next pass. `since` leaves out the orders that
    show that they were created, and last changed, before it. With a `depth`, only every `full_every`-th pass, the
    first included, reads the whole list. The others end after `depth` rows and miss the orders behind them.
    """

    model_config = ConfigDict(defer_build=True, frozen=True)

    since: datetime
    at: ListPosition = ListPosition()
    #: The passes since the last whole one began.
    passes: int = 0

    @classmethod
    def start(cls, since: datetime) -> Place:
        """Return the place before everything that was created or changed at or after `since`."""
        return cls(since=since.astimezone(UTC))

    def text(self) -> str:
        """Return the place as a cursor: equal places have equal texts."""
        return self.model_dump_json(exclude_defaults=True)

    def select(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the orders that are not older than `since`, and those that do not show their age."""
        return [row for row in rows if (at := _latest(row)) is None or at >= self.since]

    def after(self, rows: list[dict[str, Any]], take: int, depth: int | None, full_every: int) -> Place:
        """Return the next place; it equals this one if the list is empty. `take` is the usual size of a page."""
        at = self.at.after_part(len(rows), take) if self.at.most else self.at.after(ids_of(rows))
        if at is None and not self.is_within:
            return self
        if at is None or (depth is not None and self.passes and at.skip >= depth):
            return Place(since=self.since, passes=(self.passes + 1) % full_every if depth else 0)
        return Place(since=self.since, at=at, passes=self.passes)

    @property
    def is_within(self) -> bool:
        """Whether the place is in the middle of a pass."""
        return self.at.skip > 0


def _latest(row: dict[str, Any]) -> datetime | None:
    times: list[datetime] = []
    for names in (MADE, CHANGED):
        if (value := shown(flat(row), names)) is not None:
            try:
                times.append(_TIME.validate_python(value))
            except ValidationError:
                return None
    return latest_of(times)
