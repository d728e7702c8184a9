"""An order that was written is read back as pydantic reads it, from its JSON alone."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from schemas.order import Order
from schemas.stored import stored_order
from support.orders import order
from support.random_orders import orders

if TYPE_CHECKING:
    from collections.abc import Iterator


def parts(value: Any) -> Iterator[tuple[type, Any]]:
    """Yield the type of each value inside, and what equality does not compare: the given fields, and their order."""
    yield type(value), (value if isinstance(value, (str, bool)) else repr(value))
    if isinstance(value, BaseModel):
        yield type(value), (value.model_fields_set, list(value.__dict__))
    inside = value.__dict__.values() if isinstance(value, BaseModel) else value if isinstance(value, tuple) else ()
    for item in inside:
        yield from parts(item)


def assert_read_alike(made: Order) -> None:
    text = made.written().text
    read, validated = stored_order(text), Order.model_validate_json(text)
    assert read == validated
    assert list(parts(read)) == list(parts(validated))
    assert read.written() == made.written()


@settings(deadline=None, max_examples=25)
@given(orders)
def test_any_order_is_read_as_pydantic_reads_it(made: Order) -> None:
    assert_read_alike(made)
    assert stored_order(made.written().text) == made


@settings(max_examples=60)
@given(st.decimals(allow_nan=False, allow_infinity=False, places=6), st.integers(0, 27), st.integers(0, 10**21 - 1))
def test_amounts_are_exact(amount: Decimal, exponent: int, digits: int) -> None:
    assert_read_alike(order(totals={"grand": Decimal(digits).scaleb(-6), "tax": Decimal(10) ** exponent}))
    if len(amount.as_tuple().digits) <= 28:
        assert_read_alike(order(totals={"shipping": amount}))


@pytest.mark.parametrize("moment", ["2026-01-02T03:04:05.123456Z", "1999-12-31T23:59:59+05:30", "9999-12-31T23:59:59Z"])
def test_moments_are_exact(moment: str) -> None:
    assert_read_alike(order(ordered_at=moment, updated_at=moment, payments=[{"paid_at": moment}]))


def test_what_a_provider_keeps_is_read_as_it_was_written() -> None:
    kept = {"shop": {"€": [None, True, 1.5, 10**30, Decimal("9.90"), {"a": "\u00e9"}]}}
    assert_read_alike(order(custom=kept, uncounted=["shop"], lines=[], cancelled_lines=[]))


@pytest.mark.parametrize(
    "change",
    [
        {"status": "none"},
        {"totals": {"grand": "much"}},
        {"totals": {"grand": [1]}},
        {"ordered_at": "yesterday"},
        {"lines": 1},
        {"lines": [{"name": "Mug"}]},
        {"shipping": {"unknown": "x"}},
        {"unknown": 1},
    ],
)
def test_a_text_that_is_no_order_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        stored_order(json.dumps({**json.loads(order().written().text), **change}))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"a": 1}', '"\ud800"'])
def test_a_text_without_an_order_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        stored_order(text)
