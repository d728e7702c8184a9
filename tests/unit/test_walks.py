"""The edges of the windows in which lists are read: times have limited precision, and orders may share one."""

from __future__ import annotations

from datetime import UTC, datetime

from schemas.dropday_list import Rows
from worker.systems.dropboy import walk as dropboy_walk
from worker.systems.dropday import walk as dropday_walk

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def test_an_order_of_the_exact_moment_at_which_a_pass_begins_is_read() -> None:
    dropday = {"reference": "1", "created_at": "2026-01-02T12:00:00.000000Z"}
    assert dropday_walk.Place.start(NOON).select(Rows.model_validate({"data": [dropday]})) == [dropday]
    dropboy = {"id": "1", "createdAt": "2026-01-02T12:00:00Z"}
    assert dropboy_walk.Place.start(NOON).select([dropboy]) == [dropboy]
