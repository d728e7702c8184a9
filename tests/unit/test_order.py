"""The normalized order: exact amounts, aware times, immutable, and a fingerprint of its content."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import schemas.values
from schemas.order import Customer, Line, Order, Shipping, Status, Totals
from schemas.values import clean, usual_number


def raw(**fields: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "provider": "shop",
        "external_id": "1001",
        "status": "new",
        "ordered_at": "2026-01-02T03:04:05+03:00",
        "lines": [{"name": "Mug", "quantity": "2", "unit_price": "9.90"}],
        "totals": {"shipping": "4.95", "grand": "24.75"},
    }
    return base | fields


def order(**fields: Any) -> Order:
    return Order.model_validate(raw(**fields))


def test_a_float_never_becomes_an_amount() -> None:
    with pytest.raises(ValidationError, match="never a float"):
        order(totals={"grand": 24.75})


def test_an_amount_keeps_every_digit() -> None:
    assert order(totals={"grand": "12345678901234567890.0001"}).totals.grand == Decimal("12345678901234567890.0001")


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity", "1e400", "twelve"])
def test_an_amount_that_is_not_a_number_is_refused(amount: str) -> None:
    with pytest.raises(ValidationError):
        order(totals={"grand": amount})


def test_times_are_utc_and_a_naive_time_is_refused() -> None:
    assert order().ordered_at == datetime(2026, 1, 2, 0, 4, 5, tzinfo=UTC)
    assert order().ordered_at.tzinfo is UTC
    with pytest.raises(ValidationError):
        order(ordered_at="2026-01-02T03:04:05")


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
def test_a_time_outside_the_range_of_utc_is_refused(moment: str) -> None:
    with pytest.raises(ValidationError):
        order(ordered_at=moment)


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="shiping"):
        order(shiping={})


def test_an_order_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        order().status = Status.PAID  # type: ignore[misc]  # the assignment that must fail


@pytest.mark.parametrize("external_id", ["", " ", " 1", "1 ", "a\nb", "a\x00b", "x" * 256, 7])
def test_an_id_is_a_non_empty_printable_string(external_id: object) -> None:
    with pytest.raises(ValidationError):
        order(external_id=external_id)


@pytest.mark.parametrize("external_id", ["1", "SO-1001", "№ 12/2026", "a:b", "日本-7", "0012"])
def test_an_id_is_opaque(external_id: str) -> None:
    assert order(external_id=external_id).key == f"shop:{external_id}"


def test_whether_amounts_add_up_is_known() -> None:
    assert order().adds_up is True
    assert order(totals={"grand": "24.74", "shipping": "4.95"}).adds_up is False
    assert order(totals={}).adds_up is None


def test_a_missing_grand_total_is_computed_with_the_tax_added() -> None:
    assert order(totals={"grand": "1"}).grand_total == Decimal(1)
    reckoned = order(totals={"shipping": "4.95", "tax": "2", "fees": "1", "discount": "3"})
    assert reckoned.grand_total == Decimal("24.75")


def test_tax_may_be_included_or_added() -> None:
    assert order(totals={"grand": "19.80", "tax": "3.44"}).adds_up is True
    assert order(totals={"grand": "23.24", "tax": "3.44"}).adds_up is True


def test_discounts_of_lines_and_of_the_order_are_subtracted() -> None:
    line = {"name": "Mug", "quantity": 2, "unit_price": 10, "discount": 5}
    assert order(lines=[line], totals={"discount": 3, "fees": 1, "grand": 13}).adds_up is True


def test_the_fingerprint_is_the_same_however_a_number_is_written() -> None:
    written = order(lines=[{"name": "Mug", "quantity": "2.000", "unit_price": "9.9"}])
    assert written.fingerprint() == order().fingerprint()
    assert order(totals={"shipping": "100", "grand": 1}).fingerprint() == (
        order(totals={"shipping": "1E+2", "grand": "1.0"}).fingerprint()
    )


def test_the_fingerprint_is_the_same_in_every_time_zone() -> None:
    moscow = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=3)))
    assert order(ordered_at=moscow).fingerprint() == order().fingerprint()


def test_version_and_update_time_do_not_change_the_fingerprint() -> None:
    moved = order(version=7, updated_at="2026-02-01T00:00:00Z")
    assert moved.fingerprint() == order().fingerprint()


#: One change for every field that can matter to a target.
CHANGES: dict[str, Any] = {
    "provider": "other",
    "external_id": "1002",
    "display_id": "A",
    "source_id": "B",
    "store": "C",
    "status": "paid",
    "status_raw": "prepayed",
    "test": True,
    "ordered_at": "2026-01-02T03:04:06+03:00",
    "currency": "EUR",
    "lines": [{"name": "Mug", "quantity": "3", "unit_price": "9.90"}],
    "cancelled_lines": [{"name": "Cup", "quantity": "1", "unit_price": "5.00"}],
    "removed": "deleted",
    "combined_into": "1003",
    "purchase_order": "PO-4",
    "invoice_number": "INV-77",
    "totals": {"shipping": "4.95", "grand": "24.76"},
    "customer": {"email": "a@example.org"},
    "shipping_address": {"city": "Reno"},
    "billing_address": {"city": "Reno"},
    "shipping": {"method": "courier"},
    "payments": [{"method": "card"}],
    "note": "ring twice",
    "internal_note": "vip",
    "gift_message": "hi",
    "tags": ["x"],
    "discount_codes": ["X"],
    "custom": {"a": 1},
}


def test_every_other_field_changes_the_fingerprint() -> None:
    assert set(CHANGES) == set(Order.model_fields) - {"version", "updated_at", "uncounted"}
    prints = {order(**{name: value}).fingerprint() for name, value in CHANGES.items()}
    assert len(prints) == len(CHANGES)
    assert order().fingerprint() not in prints


def test_what_is_kept_unread_does_not_change_the_fingerprint() -> None:
    kept = order(custom={"shop": {"views": 1}}, uncounted=["shop"])
    viewed = order(custom={"shop": {"views": 2}}, uncounted=["shop"])
    assert kept.fingerprint() == viewed.fingerprint() == order().fingerprint()
    assert order(custom={"gift": 1, "shop": 1}, uncounted=["shop"]).fingerprint() != kept.fingerprint()


@pytest.mark.parametrize("blank", ["", " ", "\t\r\n", "\u00a0\u2003", "\x00\x07", "\u3000"])
def test_a_blank_text_is_missing_in_every_part_of_an_order(blank: str) -> None:
    read = order(
        note=blank,
        tags=(blank, " sale "),
        customer={"first_name": blank, "email": blank},
        shipping_address={"city": blank, "last_name": f"{blank}Byron{blank}"},
        shipping={"method": blank},
        payments=[{"method": blank}],
        lines=[{"name": blank, "sku": "MUG", "quantity": 1, "unit_price": 1, "options": {"size": blank}}],
        custom={"shelf": blank},
    )
    assert (read.note, read.tags, read.customer, read.shipping, read.payments[0].method) == (
        None,
        ("sale",),
        Customer(),
        Shipping(),
        None,
    )
    assert (read.shipping_address.city, read.shipping_address.last_name) == (None, "Byron")
    assert (read.lines[0].name, read.lines[0].options, read.custom) == ("MUG", (), {"shelf": ""})


def test_a_tag_that_is_no_text_is_refused() -> None:
    for tags in ([5], [["sale"]], ["sale", {}]):
        with pytest.raises(ValidationError, match="tags"):
            order(tags=tags)


def test_half_an_emoji_is_replaced_and_a_whole_one_in_two_halves_is_joined() -> None:
    read = order(note="see you \ud83d", customer={"first_name": "\ud83d\ude00 Ada"}, custom={"\udc00": ["\ud83d"]})
    assert (read.note, read.customer.first_name) == ("see you \ufffd", "\U0001f600 Ada")
    assert read.custom == {"\ufffd": ["\ufffd"]}
    assert Order.model_validate_json(read.model_dump_json()) == read


def test_the_ids_of_an_order_are_never_changed() -> None:
    assert order(source_id=" A ").source_id == " A "
    with pytest.raises(ValidationError):
        order(external_id=" 1001")


@pytest.mark.parametrize(
    ("noisy", "meant"),
    [
        ("29.979999999999997", "29.98"),
        ("0.30000000000000004", "0.3"),
        ("5.684341886080802e-14", "0"),
        ("0.0333", "0.0333"),
    ],
)
def test_the_noise_of_a_float_is_no_part_of_an_amount(noisy: str, meant: str) -> None:
    assert order(totals={"grand": Decimal(noisy)}).totals.grand == Decimal(meant)


amounts = st.decimals(min_value=-(10**9), max_value=10**9, places=4)
names = st.text(min_size=1, max_size=20).filter(clean)


@given(st.lists(st.tuples(amounts, amounts, names), max_size=5), st.none() | amounts)
def test_an_order_survives_json_unchanged(lines: list[tuple[Decimal, Decimal, str]], grand: Decimal | None) -> None:
    made = order(
        lines=[Line(name=name, quantity=quantity, unit_price=price) for quantity, price, name in lines],
        totals=Totals(grand=grand),
    )
    for text in (made.model_dump_json(exclude_defaults=True), made.written().text):
        back = Order.model_validate_json(text)
        assert back == made
        assert back.fingerprint() == made.fingerprint()


@pytest.mark.parametrize(
    "fields",
    [
        {"version": 7},
        {"updated_at": "2026-02-01T00:00:00Z"},
        {"custom": {"gift": 1, "shop": {"\u20ac": [None, Decimal("9.90")]}}, "uncounted": ["shop"]},
        {"custom": {"shop": {}}, "uncounted": ["shop", "none"]},
    ],
)
def test_what_does_not_count_is_written_as_well(fields: dict[str, Any]) -> None:
    made = order(**fields)
    assert json.loads(made.written().text) == json.loads(made.model_dump_json(exclude_defaults=True))


#: Numbers with their noise, in all ways to write them: with zeros behind the point, with an exponent, negative.
_WAYS = st.one_of(
    st.decimals(-(10**20), 10**20, allow_nan=False),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.sampled_from([Decimal("0E+10"), Decimal("-0.00"), Decimal("1E+17"), Decimal("1E+18"), Decimal("1E+27")]),
)
_OTHERS = st.one_of(
    st.integers(),
    st.sampled_from(["1_0", " 1", "+1", ".5", "5.", "\u0661", "1e3", "-0", "NaN", "sNaN", "", "1" * 19, "1.0000000"]),
)


@given(_WAYS.flatmap(lambda number: st.sampled_from([number, -number, str(number), f"{number:f}"])) | _OTHERS)
def test_a_usual_number_is_read_as_any_other_is(value: Decimal | int | str) -> None:
    """The short way to a number has no result of its own, whatever was read before."""
    short = usual_number(value)
    with patch.object(schemas.values, "usual_number", lambda _: None):
        try:
            whole = Totals(grand=value).grand
        except ValidationError:
            whole = None
    assert short is None or str(short) == str(whole)


def test_zero_has_one_form() -> None:
    assert {str(Totals(grand=Decimal(text)).grand) for text in ("0", "-0", "0.00", "-0.00", "0E+5")} == {"0"}
