"""The cursor of Dropboy's list of orders: what to ask for, where to go on after the answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError

from schemas.dropboy import CHANGED, MADE, shown
from worker.systems.dropboy.api import ids_of
from worker.systems.paging import ListPosition

_TIME: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)


class Place(BaseModel):
    """Where reading stands.

    The list can be asked by nothing, and promises no order. So every pass reads all of it, and the cursor of the next
    is the same again: no order is ever passed for good, and one that a pass missed, because the list was moving, is
    for the next. `since` leaves out what shows that it was made before, and no change after. With a `depth`, only each
    so many-th pass (`full_every`, the first among them) reads all; the others end after so many rows, and do not see
    what stands behind them.
    """

    model_config = ConfigDict(frozen=True)

    since: datetime
    at: ListPosition = ListPosition()
    #: Passes since the last whole one began.
    passes: int = 0

    @classmethod
    def start(cls, since: datetime) -> Place:
        """The place before everything that was made or changed at or after `since`."""
        return cls(since=since.astimezone(UTC))

    def text(self) -> str:
        """The place as a cursor; the same place is always the same text."""
        return self.model_dump_json(exclude_defaults=True)

    def wanted(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The orders that are not older than `since`, and those that do not show their age."""
        return [row for row in rows if (at := _latest(row)) is None or at >= self.since]

    def after(self, rows: list[dict[str, Any]], depth: int | None, full_every: int) -> Place:
        """The place to read on from; equal to this one where nothing was there."""
        at = self.at.after(ids_of(rows))
        if at is None and not self.is_within:
            return self
        if at is None or (depth is not None and self.passes and at.skip >= depth):
            return Place(since=self.since, passes=(self.passes + 1) % full_every if depth else 0)
        return Place(since=self.since, at=at, passes=self.passes)

    @property
    def is_within(self) -> bool:
        """Whether this is in the middle of a pass."""
        return self.at.skip > 0


def _latest(row: dict[str, Any]) -> datetime | None:
    times: list[datetime] = []
    for names in (MADE, CHANGED):
        if (value := shown(row, names)) is not None:
            try:
                times.append(_TIME.validate_python(value))
            except ValidationError:
                return None
    return max(times, default=None)
