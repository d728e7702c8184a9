"""The cursor of RetailCRM's feed: late changes, hidden rows, and both switches of the clocks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.retailcrm import Change, ChangeSent, History, HistoryAsSent, HistorySent, OrderId, OrderIdSent
from worker.http.client import Answer
from worker.jsontext.fragments import Fragment
from worker.systems.retailcrm.feed import Place
from worker.systems.retailcrm.provider import _changes

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
MINUTE = timedelta(seconds=60)
#: When the clocks went forward, when back, and an ordinary moment. Moscow last changed its clocks in 2014.
CHANGES = {
    "Europe/Amsterdam": ("2024-03-31T01:00:00Z", "2024-10-27T01:00:00Z", "2024-06-01T01:00:00Z"),
    "Europe/Moscow": ("2010-03-27T23:00:00Z", "2014-10-25T22:00:00Z", "2024-06-01T01:00:00Z"),
    "America/New_York": ("2024-03-10T07:00:00Z", "2024-11-03T06:00:00Z", "2024-06-01T01:00:00Z"),
}


def local(moment: datetime, zone: ZoneInfo = AMSTERDAM) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def answer(now: str, *rows: tuple[int, str], page: int = 1, of: int = 1) -> History:
    history = [{"id": id_, "createdAt": at, "source": "user", "order": {"id": id_}} for id_, at in rows]
    return History.model_validate(
        {"generatedAt": now, "history": history, "pagination": {"currentPage": page, "totalPageCount": of}}
    )


def after(cursor: str, response: History, zone: ZoneInfo = AMSTERDAM) -> str:
    return Place.model_validate_json(cursor).after(response, zone, MINUTE).text()


def query_of(cursor: str, zone: ZoneInfo = AMSTERDAM) -> dict[str, str]:
    return dict(Place.model_validate_json(cursor).query(zone))


SAFE = '{"safe":[5,"2024-06-01T10:00:00Z"]}'


def test_the_first_request_filters_by_date_an_hour_early_in_the_accounts_local_time() -> None:
    start = Place.start(datetime(2024, 6, 1, 10, tzinfo=UTC)).text()
    assert query_of(start) == {"filter[startDate]": "2024-06-01 11:00:00", "page": "1"}


def test_later_requests_filter_by_id_and_never_by_id_and_page() -> None:
    start = Place.start(datetime(2024, 6, 1, 10, tzinfo=UTC)).text()
    cursor = after(start, answer("2024-06-01 12:30:00", (5, "2024-06-01 12:00:00"), of=3))
    assert cursor == '{"safe":[5,"2024-06-01T10:00:00Z"],"read":[5,"2024-06-01T10:00:00Z"]}'
    assert query_of(cursor) == {"filter[sinceId]": "5"}


def test_a_recent_change_is_read_again_and_an_old_one_is_not() -> None:
    young, old = (7, "2024-06-01 12:29:01"), (6, "2024-06-01 12:29:00")
    assert after(SAFE, answer("2024-06-01 12:30:00", old, young)) == '{"safe":[6,"2024-06-01T10:29:00Z"]}'


def test_while_there_is_more_the_next_page_starts_after_the_last_id_read() -> None:
    cursor = after(SAFE, answer("2024-06-01 12:30:00", (6, "2024-06-01 12:29:30"), of=2))
    assert query_of(cursor) == {"filter[sinceId]": "6"}
    assert Place.model_validate_json(cursor).safe.id == 5


def test_no_change_after_a_recent_one_of_an_earlier_page_is_safe() -> None:
    """A change that is recent when its page is read may be visible before an older one, whatever later pages show."""
    first = after(SAFE, answer("2024-06-01 12:30:00", (6, "2024-06-01 12:29:30"), of=2))
    assert after(first, answer("2024-06-01 13:30:00", (7, "2024-06-01 12:29:31"))) == SAFE


def test_an_old_change_after_a_recent_one_is_not_safe() -> None:
    rows = ((6, "2024-06-01 12:29:30"), (7, "2024-06-01 12:00:00"))
    assert after(SAFE, answer("2024-06-01 12:30:00", *rows)) == SAFE


def test_an_empty_page_at_the_end_keeps_the_cursor() -> None:
    assert after(SAFE, answer("2024-06-01 12:30:00", of=0)) == SAFE


def test_without_generated_at_the_newest_change_is_the_clock() -> None:
    response = answer("2024-06-01 12:30:00", (6, "2024-06-01 12:00:00"), (7, "2024-06-01 12:05:00"))
    assert after(SAFE, response.model_copy(update={"generated_at": None})) == '{"safe":[6,"2024-06-01T10:00:00Z"]}'


def test_when_the_clocks_go_forward_no_change_counts_as_an_hour_older() -> None:
    response = answer("2024-03-31 03:00:05", (6, "2024-03-31 01:59:50"))
    assert after(SAFE, response) == SAFE


@pytest.mark.parametrize(
    ("created", "now"),
    [("2024-10-27 02:59:50", "2024-10-27 03:00:05"), ("2024-10-27 02:59:50", "2024-10-27 02:00:05")],
)
def test_when_the_clocks_go_back_no_change_counts_as_older_than_it_can_be(created: str, now: str) -> None:
    assert after(SAFE, answer(now, (6, created))) == SAFE


def test_a_repeated_hour_is_read_by_date_from_before_its_first_occurrence() -> None:
    cursor = after(SAFE, answer("2024-10-27 12:00:00", (6, "2024-10-27 02:30:00")))
    gap = after(cursor, answer("2024-10-27 12:00:01", of=2))
    assert query_of(gap) == {"filter[startDate]": "2024-10-27 01:30:00", "page": "1"}


@dataclass
class Row:
    id: int
    created: datetime
    seen_from: datetime
    hidden: bool


@st.composite
def histories(draw: st.DrawFn) -> tuple[ZoneInfo, list[Row]]:
    """Draw rows in order of creation: each becomes visible within a minute, and some are counted but never shown."""
    zone = draw(st.sampled_from(list(CHANGES)))
    at = datetime.fromisoformat(draw(st.sampled_from(CHANGES[zone]))) - timedelta(minutes=draw(st.integers(0, 90)))
    rows = []
    for id_ in range(1, draw(st.integers(1, 40))):
        at += timedelta(seconds=draw(st.sampled_from([0, 0, 1, 20, 300])))
        late = timedelta(seconds=draw(st.sampled_from([0, 0, 0, 5, 59])))
        rows.append(Row(id_, at, at + late, hidden=draw(st.sampled_from([False, False, False, True]))))
    return ZoneInfo(zone), rows


def respond(zone: ZoneInfo, rows: list[Row], now: datetime, query: dict[str, str], limit: int) -> History:
    """Return the response of the server, which cuts pages before it leaves out hidden rows."""
    visible = [row for row in rows if row.seen_from <= now]
    if "filter[sinceId]" in query:
        assert "page" not in query
        visible = [row for row in visible if row.id > int(query["filter[sinceId]"])]
    else:
        visible = [row for row in visible if local(row.created, zone) >= query["filter[startDate]"]]
    page = int(query.get("page", 1))
    shown = [(row.id, local(row.created, zone)) for row in visible[(page - 1) * limit : page * limit] if not row.hidden]
    return answer(local(now, zone), *shown, page=page, of=-(-len(visible) // limit))


@given(
    histories(),
    st.integers(1, 5),
    st.lists(st.integers(1, 400), max_size=12),
    st.sampled_from([0.3, 20, 70]),
    st.integers(0, 40),
)
def test_every_change_is_read_however_late_it_became_visible(
    history: tuple[ZoneInfo, list[Row]], limit: int, pauses: list[int], page_takes: float, first: int
) -> None:
    zone, rows = history
    if not rows:
        return
    first %= len(rows)
    start = rows[first].created
    cursor, now, read = Place.start(start).text(), start, set()
    safe = 0
    for pause in [*pauses, 7200, 7200]:
        now += timedelta(seconds=pause)
        for _ in range(1000):
            response = respond(zone, rows, now, query_of(cursor, zone), limit)
            read |= {change.id for change in Place.model_validate_json(cursor).new(response)}
            cursor = after(cursor, response, zone)
            now += timedelta(seconds=page_takes)
            place = Place.model_validate_json(cursor)
            assert place.safe.id >= safe
            safe = place.safe.id
            if not response.pagination.more:
                break
        else:
            pytest.fail("the pass does not end")
        assert place.read is None
        assert place.page == 0
    assert read >= {row.id for row in rows[first:] if not row.hidden}


def test_what_is_decoded_of_the_history_is_what_its_models_read() -> None:
    pairs = ((HistorySent, HistoryAsSent), (ChangeSent, Change), (OrderIdSent, OrderId))
    for sent, model in pairs:
        assert set(sent.__annotations__) == {field.alias for field in model.model_fields.values()}


def test_a_change_that_cannot_be_read_is_kept_whole() -> None:
    good = {"id": 1, "createdAt": "2024-06-01 12:00:00", "order": {"id": 7}, "newValue": 1}
    bad = {"id": "x", "createdAt": "2024-06-01 12:00:01", "order": {"id": 8, "number": "8A"}, "newValue": {"code": 2}}
    body = {"history": [good, bad], "pagination": {"currentPage": 1, "totalPageCount": 1}}
    place = Place.start(datetime(2024, 6, 1, 10, tzinfo=UTC))
    page, [unread] = _changes(Answer(200, {}, json.dumps(body).encode()), place, AMSTERDAM)
    assert [change.id for change in page.history] == [1]
    assert isinstance(unread.raw, Fragment)
    assert json.loads(unread.raw.text) == bad
