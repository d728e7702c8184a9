"""The options of a RetailCRM account, and how its orders are read where a page is ambiguous."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import simplejson
from pydantic import ValidationError

from schemas.order import Option, Status
from worker.errors import Malformed
from worker.http.client import Client
from worker.http.gates import Open
from worker.systems.provider import Record
from worker.systems.retailcrm.provider import RetailCRM, RetailCRMOptions

RAW = {"id": 7, "status": "new", "createdAt": "2024-04-02 11:14:02"}


def account(**options: Any) -> RetailCRM:
    given = {"api_key": "k", "time_zone": "Europe/Amsterdam", **options}
    client = Client("http://127.0.0.1:9", gate=Open(), headers={})
    client.close()
    return RetailCRM("shop-nl", RetailCRMOptions.model_validate(given), client)


def loads(raw: dict[str, Any]) -> Any:
    """Return the document as the client parses it."""
    return simplejson.loads(simplejson.dumps(raw), use_decimal=True)


def order(raw: dict[str, Any], **options: Any) -> Any:
    return account(**options).normalize(Record({**RAW, **raw}))


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2024-10-27 02:30:00", datetime(2024, 10, 27, 0, 30, tzinfo=UTC)),
        ("2024-03-31 02:30:00", datetime(2024, 3, 31, 1, 30, tzinfo=UTC)),
        ("2024-07-01 12:00:00", datetime(2024, 7, 1, 10, tzinfo=UTC)),
    ],
    ids=["occurs twice: the earlier", "never occurs: moved forward", "occurs once"],
)
def test_a_local_time_is_read_as_one_moment(local: str, utc: datetime) -> None:
    assert order({"createdAt": local}).ordered_at == utc


def test_an_account_can_map_its_own_status_codes() -> None:
    own = {"status_map": {"na-lune": "shipped", "new": "processing"}}
    assert [order({"status": code}, **own).status for code in ("na-lune", "new", "complete")] == [
        Status.SHIPPED,
        Status.PROCESSING,
        Status.DELIVERED,
    ]


def test_an_order_without_a_currency_gets_the_configured_one() -> None:
    assert [
        order({}).currency,
        order({}, currency="EUR").currency,
        order({"currency": "rub"}, currency="EUR").currency,
    ] == [
        None,
        "EUR",
        "RUB",
    ]


def test_a_line_discount_is_per_piece() -> None:
    item = {"initialPrice": 10, "quantity": 3, "discountTotal": 2, "productName": "Mug"}
    read = order({"items": [item], "totalSumm": 24})
    assert read.lines[0].discount == 6
    assert read.adds_up


def test_the_final_prices_determine_a_discount_to_the_cent() -> None:
    prices = [{"price": 3.33, "quantity": 2}, {"price": 3.34, "quantity": 1}]
    item = {"initialPrice": 5, "quantity": 3, "discountTotal": 1.67, "prices": prices, "productName": "Mug"}
    assert order(loads({"items": [item]})).lines[0].discount == 5
    assert order(loads({"items": [{**item, "prices": prices[:1]}]})).lines[0].discount == Decimal("5.01")


def test_a_cancelled_line_is_not_part_of_the_order() -> None:
    items = [
        {"initialPrice": 5, "quantity": 1, "productName": name, "isCanceled": name == "Cup"} for name in ("Mug", "Cup")
    ]
    assert [line.name for line in order({"items": items}).lines] == ["Mug"]


def test_a_property_may_be_a_bare_value() -> None:
    properties = {"size": "XL", "colour": {"value": "red"}}
    item = {"initialPrice": 1, "quantity": 1, "productName": "Mug", "properties": properties}
    assert order({"items": [item]}).lines[0].options == (
        Option(name="size", value="XL"),
        Option(name="colour", value="red"),
    )


@pytest.mark.parametrize("empty", [None, [], {}, ...])
def test_every_way_in_which_php_writes_an_empty_value_is_empty(empty: object) -> None:
    keys = ("customer", "delivery", "company", "items", "payments", "customFields")
    assert order({key: empty for key in keys if empty is not ...}) == order({})


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({"items": [{"initialPrice": 1, "quantity": 1}, {"initialPrice": 1}]}, "items[1].quantity"),
        ({"payments": {"4554": {"amount": "Ada"}}}, "payments[0].amount"),
        ({"delivery": {"address": "Ada's"}}, "delivery.address"),
        ({"createdAt": "2024-04-02T11:14:02+03:00"}, "createdAt"),
        ({"totalSumm": 1.1}, "totalSumm"),
    ],
)
def test_an_unreadable_field_is_named_by_its_path_and_not_by_its_value(raw: dict[str, Any], field: str) -> None:
    with pytest.raises(Malformed) as caught:
        order(raw)
    assert caught.value.field == field
    assert field in str(caught.value)
    assert "Ada" not in f"{caught.value!r} {caught.value.__context__!r} {caught.value.__cause__!r}"


def test_an_overlap_is_a_length_of_time_or_seconds() -> None:
    assert [RetailCRMOptions.model_validate({"api_key": "k", "overlap": given}).overlap for given in ("2m", 90, 0)] == [
        120,
        90,
        0,
    ]


@pytest.mark.parametrize(
    "wrong",
    [{"time_zone": "Mars/Olympus"}, {"time_zone": "Europe"}, {"page_size": 10}, {"currency": "euro"}, {"else": 1}],
)
def test_an_invalid_option_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        account(**wrong)
