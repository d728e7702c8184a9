"""The edges of the windows in which lists are read: times have limited precision, and orders may share one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from schemas import ordercloud
from schemas.dropday_list import Rows
from worker.systems.dropboy import walk as dropboy_walk
from worker.systems.dropday import walk as dropday_walk
from worker.systems.ordercloud import walk as ordercloud_walk

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def test_an_order_of_the_exact_moment_at_which_a_pass_begins_is_read() -> None:
    dropday = {"reference": "1", "created_at": "2026-01-02T12:00:00.000000Z"}
    assert dropday_walk.Place.start(NOON).select(Rows.model_validate({"data": [dropday]})) == [dropday]
    dropboy = {"id": "1", "createdAt": "2026-01-02T12:00:00Z"}
    assert dropboy_walk.Place.start(NOON).select([dropboy]) == [dropboy]


def selected(kind: str, created: object) -> bool:
    """Return whether an order with this time of creation is read, in a pass that begins at noon."""
    if kind == "dropboy":
        return bool(dropboy_walk.Place.start(NOON).select([{"id": "1", "created": created}]))
    rows = Rows.model_validate({"data": [{"reference": "1", "created_at": created}]})
    return bool(dropday_walk.Place.start(NOON).select(rows))


@pytest.mark.parametrize("kind", ["dropday", "dropboy"])
@pytest.mark.parametrize("created", [0, 29.98, "0", "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "then", None, {}])
def test_an_order_whose_time_cannot_be_one_is_not_left_out_as_old(kind: str, created: object) -> None:
    assert selected(kind, created)
    assert not selected(kind, "2026-01-02T11:59:59Z")


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("pause", [timedelta(0), timedelta(seconds=2), timedelta(hours=1)])
def test_a_pass_of_ordercloud_ends_beside_an_order_of_the_future_however_long_it_takes(
    size: int, pause: timedelta
) -> None:
    dates = [NOON - timedelta(minutes=minutes) for minutes in (9, 6, 3)] + [NOON.replace(year=2099)]
    place, now, more = ordercloud_walk.Place.start(NOON - timedelta(days=1)), NOON, True
    read: set[str] = set()
    for _ in range(50):
        place = place.begin(timedelta(minutes=5))
        since, *until = [datetime.fromisoformat(bound.lstrip("!<")) for _, bound in place.bounds()]
        found = [{"LastUpdated": at.isoformat()} for at in dates if since <= at and (not until or at < until[0])]
        page = place.rows.number(size)
        meta = {"Page": page, "PageSize": size, "TotalCount": len(found), "TotalPages": -(-len(found) // size)}
        rows = ordercloud.Rows.model_validate({"Meta": meta, "Items": found[(page - 1) * size : page * size]})
        if place.until is None and rows.more_after(page, size):
            place = place.up_to(found, now)
        read |= {row["LastUpdated"] for row in rows.items}
        place, more = place.after(rows, size, now)
        now += pause
        if not more:
            break
    assert not more
    assert read == {at.isoformat() for at in dates}
