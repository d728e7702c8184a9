"""A record is read leniently: details never refuse it, and essentials always do."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AliasChoices, BaseModel, Field, ValidationError

from schemas.reading import kept, read
from schemas.values import Day
from schemas.wire import Amount, Essentials, Flag, List, Maybe, Object, Required, number


class Item(BaseModel):
    price: Required
    cancelled: Flag = None
    wrapped: Maybe[bool] = None
    properties: Object[dict[str, Any]] = Field(default_factory=dict)


class Payment(BaseModel):
    id: int
    amount: Amount = None
    paid_on: Maybe[Day] = None


class Delivery(BaseModel):
    date: Maybe[Day] = None
    cost: Amount = None


class Record(BaseModel):
    id: int
    total: Amount = Field(default=None, validation_alias=AliasChoices("total", "sum"))
    delivery: Object[Delivery] = Delivery()
    payments: List[Payment] = Field(default_factory=list)
    items: Essentials[Item]


RAW: dict[str, Any] = {
    "id": 7,
    "sum": "1.234,50",
    "delivery": {"date": "2026-03-05", "cost": 4, "carrier": "UPS"},
    "payments": {"4554": {"id": 1, "amount": 9, "paid_on": ""}, "4555": {"id": 2}},
    "items": [{"price": "9,90", "cancelled": None, "colour": "blue", "properties": ["a", "b"]}],
    "views": 3,
    "gone": None,
}


def test_a_record_is_read_with_the_names_and_forms_that_its_system_may_use() -> None:
    record, unread = read(Record, RAW)
    assert unread == ()
    assert (record.total, record.delivery.cost) == (Decimal("1234.5"), Decimal(4))
    assert [each.id for each in record.payments] == [1, 2]
    assert record.items[0].properties == {"0": "a", "1": "b"}


@pytest.mark.parametrize(
    ("detail", "path"),
    [
        ({"delivery": {"date": "next week"}}, ("delivery", "date")),
        ({"delivery": "by courier"}, ("delivery",)),
        ({"payments": [{"id": 1, "paid_on": 5}]}, ("payments", 0, "paid_on")),
        ({"payments": {"a": {"id": 1}, "b": {"paid_on": "soon"}}}, ("payments", "b")),
        ({"payments": [{"id": 1}, 5, {"id": 3}, []]}, ("payments", 3)),
        ({"payments": 9}, ("payments",)),
        ({"items": [{"price": 1, "wrapped": "ribbon"}]}, ("items", 0, "wrapped")),
    ],
)
def test_a_detail_that_cannot_be_read_is_left_out_and_named(
    detail: dict[str, Any], path: tuple[str | int, ...]
) -> None:
    record, unread = read(Record, {**RAW, **detail})
    assert path in unread
    assert record.id == 7


@pytest.mark.parametrize(
    "essential",
    [
        {"id": "x"},
        {"total": "1,234"},
        {"delivery": {"cost": "much"}},
        {"payments": [{"id": 1, "amount": "NaN"}]},
        {"items": [{"wrapped": True}]},
        {"items": [{"price": 1}, 5]},
        {"items": [{"price": 1, "cancelled": "perhaps"}]},
        {"items": 5},
    ],
)
def test_an_essential_that_cannot_be_read_refuses_the_record(essential: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        read(Record, {**RAW, **essential})


def test_what_no_field_reads_is_kept_under_its_own_names() -> None:
    raw = {
        **RAW,
        "delivery": {"date": "next week", "carrier": "UPS"},
        "payments": [{"id": 1, "note": "x", "paid_on": "soon"}],
    }
    _, unread = read(Record, raw)
    assert kept(Record, raw, unread) == {
        "delivery": {"carrier": "UPS", "date": "next week"},
        "payments": {"0": {"note": "x", "paid_on": "soon"}},
        "items": {"0": {"colour": "blue"}},
        "views": 3,
    }


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.decimals(allow_nan=True).map(lambda n: n),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*RAW, "total"]), anything))
def test_any_record_is_read_or_refused_and_never_changed(changes: dict[str, Any]) -> None:
    raw = {**RAW, **changes}
    before = repr(raw)
    try:
        _, unread = read(Record, raw)
    except ValidationError:
        unread = ()
    kept(Record, raw, unread)
    assert repr(raw) == before


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234.50", "1234.50"),
        ("1.234,50", "1234.50"),
        ("1.234.567,89", "1234567.89"),
        ("1,234,567", "1234567"),
        ("12,50", "12.5"),
        (" 9.90 ", "9.9"),
        ("€ 9.90", "9.9"),
        ("9,90 EUR", "9.9"),
        ("12,50 kr.", "12.5"),
        ("1\u202f234,5", "1234.5"),
        ("1'234.50", "1234.5"),
        ("\u22123,20", "-3.2"),
        (".5", "0.5"),
        ("1e2", "100"),
        ("0,500", "0.5"),
    ],
)
def test_a_number_is_read_however_it_is_written(text: str, value: str) -> None:
    assert number(text) == Decimal(value)


@pytest.mark.parametrize("text", ["1,234", "12,34,56", "1.2.3", "--1", "1_000", "0x10", "NaN", "Infinity", "", "many"])
def test_a_text_that_is_no_certain_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"number|thousands"):
        number(text)


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=2))
def test_an_amount_is_the_same_in_every_usual_notation(amount: Decimal) -> None:
    english, german = f"{amount:,.2f}", f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))
    assert number(f"{amount}") == number(english) == number(german) == number(f"{german} EUR") == amount
