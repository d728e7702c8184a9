"""RetailCRM's times, which have no offset, are read and written to the second across switches of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.order import Order
from schemas.retailcrm_request import Codes, OrderRequest
from worker.http.client import Client
from worker.http.gates import Open
from worker.lab.sandbox.retailcrm.shape import local
from worker.systems.provider import Record
from worker.systems.retailcrm.feed import Place
from worker.systems.retailcrm.provider import RetailCRM, RetailCRMOptions

MOSCOW, NEW_YORK = "Europe/Moscow", "America/New_York"
#: When a repeated hour began for the second time. Moscow changed its clocks for the last time then.
FOLDS = {MOSCOW: datetime(2014, 10, 25, 22, tzinfo=UTC), NEW_YORK: datetime(2024, 11, 3, 6, tzinfo=UTC)}
HOUR = timedelta(hours=1)


def account(zone: str) -> RetailCRM:
    client = Client("http://127.0.0.1:9", gate=Open(), headers={})
    client.close()
    return RetailCRM("crm", RetailCRMOptions.model_validate({"api_key": "k", "time_zone": zone}), client)


def read_order(zone: str, text: str) -> Order:
    payment = {"id": 1, "type": "card", "paidAt": text}
    raw: dict[str, Any] = {"id": 7, "status": "new", "createdAt": text, "payments": {"1": payment}}
    return account(zone).normalize(Record(raw))


def request_for(zone: str, moment: datetime) -> OrderRequest:
    paid = {"method": "card", "paid_at": moment}
    given = {"provider": "shop", "external_id": "1", "status": "new", "ordered_at": moment, "payments": [paid]}
    order = Order.model_validate({**given, "lines": [], "totals": {}})
    return OrderRequest.of(order, "R-1", zone=ZoneInfo(zone), currency=None, codes=Codes(payment={"card": "card"}))


@pytest.mark.parametrize(
    ("zone", "text", "utc"),
    [
        (MOSCOW, "2024-07-01 12:00:01", "2024-07-01T09:00:01Z"),
        (MOSCOW, "2012-12-01 12:00:01", "2012-12-01T08:00:01Z"),  # four hours ahead, summer and winter
        (MOSCOW, "2014-10-26 00:59:59", "2014-10-25T20:59:59Z"),
        (MOSCOW, "2014-10-26 01:30:00", "2014-10-25T21:30:00Z"),  # occurs twice: the earlier
        (MOSCOW, "2014-10-26 02:00:00", "2014-10-25T23:00:00Z"),
        (MOSCOW, "2010-03-28 01:59:59", "2010-03-27T22:59:59Z"),
        (MOSCOW, "2010-03-28 02:30:00", "2010-03-27T23:30:00Z"),  # never occurs
        (MOSCOW, "2010-03-28 03:00:00", "2010-03-27T23:00:00Z"),
        (NEW_YORK, "2024-07-01 12:00:01", "2024-07-01T16:00:01Z"),
        (NEW_YORK, "2024-11-03 00:59:59", "2024-11-03T04:59:59Z"),
        (NEW_YORK, "2024-11-03 01:30:00", "2024-11-03T05:30:00Z"),  # occurs twice: the earlier
        (NEW_YORK, "2024-11-03 02:00:00", "2024-11-03T07:00:00Z"),
        (NEW_YORK, "2024-03-10 01:59:59", "2024-03-10T06:59:59Z"),
        (NEW_YORK, "2024-03-10 02:30:00", "2024-03-10T07:30:00Z"),  # never occurs
        (NEW_YORK, "2024-03-10 03:00:00", "2024-03-10T07:00:00Z"),
    ],
)
def test_a_local_time_is_read_to_the_second(zone: str, text: str, utc: str) -> None:
    order = read_order(zone, text)
    assert order.ordered_at == order.payments[0].paid_at == datetime.fromisoformat(utc)


@given(st.sampled_from([MOSCOW, NEW_YORK]), st.datetimes(datetime(2009, 1, 1), datetime(2026, 1, 1)))  # noqa: DTZ001  # converted to UTC below
def test_a_written_time_is_read_as_the_same_second(zone: str, at: datetime) -> None:
    """Except in the second occurrence of a repeated hour, which is written like the first."""
    moment = at.replace(microsecond=0, tzinfo=UTC)
    request, text = request_for(zone, moment), local(moment.timestamp(), ZoneInfo(zone))
    assert request.payments
    assert request.created_at == request.payments[0].paid_at == text
    again = moment.astimezone(ZoneInfo(zone)).fold
    assert read_order(zone, text).ordered_at == moment - again * HOUR


@pytest.mark.parametrize("zone", FOLDS)
@pytest.mark.parametrize("minutes", range(-130, 131, 10))
def test_reading_by_date_omits_nothing_made_since(zone: str, minutes: int) -> None:
    """Reading may start at any second around the switch, and a server may compare texts or moments."""
    since = FOLDS[zone] + timedelta(minutes=minutes)
    start = dict(Place.start(since).query(ZoneInfo(zone)))["filter[startDate]"]
    for seconds in range(0, 3 * 3600, 300):
        assert local((since + timedelta(seconds=seconds)).timestamp(), ZoneInfo(zone)) >= start
    named = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone))
    assert named.astimezone(UTC) <= since
    assert named.replace(fold=1).astimezone(UTC) <= since
