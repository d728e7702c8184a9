"""Orders of DropStream: every field is carried or kept, details never refuse an order, canceled items do not count."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.order import Order, Status
from support.leaves import filled, replaced
from worker.errors import Malformed
from worker.systems.dropstream.order import to_order
from worker.systems.dropstream.statuses import STATUSES

FULL: Final[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data/full/dropstream.json").read_text("utf-8"))
PAGE: Final = (Path(__file__).parents[2] / "deploy/docs/dropstream.md").read_text("utf-8")
#: The fields that are only part of the order's version, or of another field that differs.
APART: Final = {("created_at",)}
#: The fields of which a value that cannot be read refuses the order; the last name of their path.
ESSENTIAL: Final = {
    *("id", "fulfillment_state", "order_items", "quantity", "unit_price", "canceled"),
    *("discount_amount", "tax_amount", "shipping_amount", "shipping_tax_amount"),
}
Path_ = tuple[str | int, ...]


def read(raw: dict[str, Any], assumed: Decimal | None = Decimal(1), **status_map: Status) -> Order:
    return to_order(raw, provider="ds", status_map=status_map, assumed_quantity=assumed)


def order(**fields: Any) -> dict[str, Any]:
    base = {"id": 8, "ordered_at": "2026-01-05T05:00:00.000Z", "created_at": "2026-01-05T05:03:11.000Z"}
    items = [item()]
    return {**base, "fulfillment_state": "pending_shipment", "shipping_amount": "4.95", "order_items": items} | fields


def item(**fields: Any) -> dict[str, Any]:
    return {"name": "Mug", "sku": "MUG-1", "unit_price": "9.90", "external_order_item_id": "77", "quantity": 1} | fields


def other(value: Any) -> Any:
    """Return another value of the same kind."""
    special = {True: False, False: True, "USD": "EUR", "US": "FR", "lb": "kg"}
    if isinstance(value, bool) or (isinstance(value, str) and value in special):
        return special[value]
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str) and re.fullmatch(r"\d+\.\d+", value):
        return str(Decimal(value) + 1)
    if isinstance(value, str) and re.match(r"\d{4}-\d{2}-\d{2}", value):
        return f"2027-07-17{value[10:]}"
    return f"{value}x" if isinstance(value, str) else "x"


def test_every_field_is_carried_or_kept() -> None:
    before = read(FULL).model_dump(exclude={"version"})
    lost = {
        path
        for path, value in filled(FULL)
        if read(replaced(FULL, path, other(value))).model_dump(exclude={"version"}) == before
    }
    assert lost == APART


def test_fields_that_targets_can_hold_are_carried() -> None:
    full = read(FULL)
    shipping, line = full.shipping, full.lines[0]
    assert (full.purchase_order, full.invoice_number) == ("PO-4", "INV-77")
    assert (shipping.ship_on, shipping.cancel_after) == ("2026-03-03", "2026-03-20")
    assert (shipping.insured_amount, shipping.account, shipping.account_code) == (Decimal(50), "TP-1", "TPB")
    assert (line.weight, line.category) == (Decimal("0.158757"), "kitchen")
    # An id is no name: Dropday would make a supplier of it.
    assert line.supplier is None
    assert [(option.name, option.value) for option in line.options] == [
        ("color", "blue"),
        ("size", "L"),
        ("product_options", "handle: left"),
        ("engraving", "A.B."),
        ("engraving", "second line"),
    ]
    assert [line.name for line in full.lines] == ["Mug"]
    assert [line.name for line in full.cancelled_lines] == ["Cap"]
    assert (
        full.grand_total == Decimal("9.90") - Decimal("0.50") + Decimal("4.95") + Decimal("2.10") + Decimal("0.50") - 1
    )


def test_what_is_only_kept_is_no_change() -> None:
    before = read(FULL).fingerprint()
    assert read(FULL | {"terms": "net 60"}).fingerprint() == before
    assert read(FULL | {"custom": {"tier": "silver"}}).fingerprint() != before
    own = read(FULL | {"custom": {"dropstream": "mine"}})
    assert own.custom["dropstream"]["custom"] == {"dropstream": "mine"}


def test_canceled_items_are_neither_shipped_nor_charged() -> None:
    cup = item(name="Cup", unit_price="5.00", canceled=True)
    found = read(order(order_items=[item(), cup]))
    assert ([line.name for line in found.lines], found.grand_total) == (["Mug"], Decimal("14.85"))
    assert ([line.name for line in found.cancelled_lines], found.status) == (["Cup"], Status.NEW)
    ways: dict[Any, int] = {"true": 0, 1: 0, "yes": 0, None: 1, "": 1, "false": 1, 0: 1}
    assert {way: len(read(order(order_items=[cup | {"canceled": way}])).lines) for way in ways} == ways
    unpriced = {"name": "Cap", "canceled": True, "unit_price": None}
    assert read(order(order_items=[item(), unpriced]), None).cancelled_lines[0].name == "Cap"


def test_an_order_of_which_all_items_are_canceled_is_cancelled() -> None:
    assert read(order(order_items=[item(canceled=True)])).status is Status.CANCELLED
    assert read(order(order_items=[])).status is Status.NEW


@pytest.mark.parametrize(
    ("fields", "items", "tax"),
    [
        ({"tax_amount": "1.00", "shipping_tax_amount": "0.50"}, [{}], "1.5"),
        ({"tax_amount": "0.50", "shipping_tax_amount": "0.50"}, [{}], "1"),
        # The numbers say that the tax on the shipping is in the tax.
        ({"tax_amount": "1.30", "shipping_tax_amount": "0.50"}, [{"tax_amount": "0.80"}], "1.3"),
        ({"tax_amount": "0.80", "shipping_tax_amount": "0.50"}, [{"tax_amount": "0.80"}], "1.3"),
        ({"tax_amount": "2.10", "shipping_tax_amount": "0.50"}, [{"tax_amount": "0.80"}], "2.6"),
        # The tax of a canceled item is not charged where the numbers say that it is in the tax.
        ({"tax_amount": "1.80"}, [{"tax_amount": "0.80"}, {"tax_amount": "1.00", "canceled": True}], "0.8"),
        ({"tax_amount": "0.80"}, [{"tax_amount": "0.80"}, {"tax_amount": "1.00", "canceled": True}], "0.8"),
        (
            {"tax_amount": "2.30", "shipping_tax_amount": "0.50"},
            [{"tax_amount": "0.80"}, {"tax_amount": "1.00", "canceled": True}],
            "1.3",
        ),
        # Not stated for the order: the sum of what is stated.
        ({}, [{"tax_amount": "0.80"}, {"tax_amount": "0.20"}], "1"),
        ({"shipping_tax_amount": "0.50"}, [{}], "0.5"),
        ({}, [{}], None),
        ({"tax_amount": "0.00"}, [{}], "0"),
    ],
)
def test_the_tax_is_what_the_customer_pays(
    fields: dict[str, Any], items: list[dict[str, Any]], tax: str | None
) -> None:
    found = read(order(**fields, order_items=[item(**each) for each in items]))
    assert found.totals.tax == (None if tax is None else Decimal(tax))


def test_options_without_a_value_are_left_out_and_all_others_are_kept() -> None:
    options = [
        {"gift_message": None, "blank": " "},
        {"engraving": "Ada"},
        {"engraving": "Bob"},
        {"lid": True, "no": 7},
        "x",
    ]
    line = read(order(order_items=[item(options=options)])).lines[0]
    assert [(each.name, each.value) for each in line.options] == [
        ("engraving", "Ada"),
        ("engraving", "Bob"),
        ("lid", "yes"),
        ("no", "7"),
    ]
    for way in ({"size": "XL"}, {"0": {"size": "XL"}}, [{"size": "XL"}]):
        line = read(order(order_items=[item(options=way)])).lines[0]
        assert [(each.name, each.value) for each in line.options] == [("size", "XL")]
    nested = read(order(order_items=[item(options=[{"parts": ["a", "b"]}])]))
    assert nested.custom["dropstream"]["order_items"]["0"] == {"options": [{"parts": ["a", "b"]}]}


@pytest.mark.parametrize("empty", ["", " ", None, [], {}])
def test_whatever_stands_for_an_empty_object_is_read(empty: Any) -> None:
    parts = ("custom", "billing_address", "shipping_address", "external_tags", "currency_code", "payment_date")
    found = read(order(**dict.fromkeys(parts, empty), order_items=[item(options=empty, custom=empty)]))
    assert (found.billing_address, found.custom, found.tags, len(found.lines)) == (None, {}, (), 1)
    if not isinstance(empty, list | dict):
        assert read(order(fulfillment_state=empty)).status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-03-03", "2026-03-03"),
        ("2026-03-03T00:00:00.000Z", "2026-03-03"),
        ("2026-03-03T23:30:00-05:00", "2026-03-03"),
        ("2026-03-03 10:00:00", "2026-03-03"),
        ("2026-02-30", None),
        ("next week", None),
    ],
)
def test_days_are_read_in_any_form(text: str, day: str | None) -> None:
    found = read(order(requested_ship_date=text, payment_date=text))
    assert found.shipping.ship_on == day
    assert [each.paid_at is not None for each in found.payments] == ([True] if day else [])
    assert ("dropstream" in found.custom) is (day is None)
    only = {"ordered_at": text, "created_at": "2026-01-01"}
    assert read(order(**only)).ordered_at.isoformat() >= "2026-01-01T00:00:00+00:00"


def test_an_order_without_a_time_is_refused() -> None:
    with pytest.raises(Malformed, match="ordered_at"):
        read(order(ordered_at=None, created_at=""))


def test_an_item_without_quantity_or_price_is_refused_by_name() -> None:
    for missing in (None, ""):
        with pytest.raises(Malformed, match=r"order_items\[1\]\.quantity"):
            read(order(order_items=[item(), item(quantity=missing)]), None)
        with pytest.raises(Malformed, match=r"order_items\[0\]\.unit_price"):
            read(order(order_items=[item(unit_price=missing)]))
    assert read(order(order_items=[item(quantity="1,234.50")])).lines[0].quantity == Decimal("1234.5")


@pytest.mark.parametrize(
    ("weight", "unit", "kilograms"),
    [
        *(("2", "kg", "2"), ("500", "G", "0.5"), ("16", "oz", "0.453592"), ("1", "Lbs.", "0.453592")),
        *(("1", "stone", None), ("1", None, None), ("heavy", "kg", None)),
    ],
)
def test_weights_are_kilograms_or_kept(weight: str, unit: str | None, kilograms: str | None) -> None:
    found = read(order(order_items=[item(weight=weight, weight_uom=unit)]))
    assert found.lines[0].weight == (None if kilograms is None else Decimal(kilograms))
    if kilograms is None:
        assert found.custom["dropstream"]["order_items"]["0"]["weight"] == weight


def test_states_mean_what_the_documents_say() -> None:
    words = ("New", "Pending", "Pending Shipment", "PARTIALLY_SHIPPED", "Closed (abandoned pending shipment)", "odd")
    assert [read(order(fulfillment_state=word)).status.value for word in words] == [
        *("new", "on_hold", "new", "shipped", "on_hold", "unknown"),
    ]
    assert Status.DELIVERED not in STATUSES.values()
    assert read(order(fulfillment_state="closed"), closed=Status.DELIVERED).status is Status.DELIVERED
    assert read(order(fulfillment_state="odd"), odd=Status.PAID).status_raw == "odd"


def test_its_page_has_the_same_states() -> None:
    rows = re.findall(
        r"^\| ([^|]+) \| `([a-z_]+)` \|", PAGE.partition("## States")[2].partition("## Amounts")[0], re.MULTILINE
    )
    described = {
        re.sub(r"\W+", "_", state.lower()).strip("_"): status for states, status in rows for state in states.split(",")
    }
    assert described.pop("any_other") == "unknown"
    aliases = {"cancelled", "closed_abandoned_pending_shipment", "closed_cancelled", "closed_canceled"}
    assert described == {state: status.value for state, status in STATUSES.items() if state not in aliases}


def test_its_page_names_every_field() -> None:
    named = set(re.findall(r"`(\w+)`", PAGE))
    parts: list[dict[str, Any]] = [FULL, FULL["shipping_address"], *FULL["order_items"]]
    assert {name for part in parts for name in part} - named == set()
    kept_of = read(FULL).custom["dropstream"]
    kept = {*kept_of, *kept_of["order_items"]["0"]} - {"order_items", "id"}
    described = set(re.findall(r"`(\w+)`", PAGE.partition("Everything else")[2].partition("A field that")[0]))
    assert described - {"shipment_id"} == kept - {"shipping_tax_amount"}


_scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.decimals(allow_nan=False, places=9)
_hostile = st.recursive(
    _scalars | st.sampled_from(["\ud83d", "x" * 5000, "1,234", "NaN", "9" * 40, "2026-13-01"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def paths(value: Any, path: Path_ = ()) -> list[Path_]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, inner in entries for found in ((*path, key), *paths(inner, (*path, key)))]


@settings(max_examples=60)
@given(st.sampled_from(paths(FULL)), _hostile)
def test_only_what_is_essential_refuses_an_order(path: Path_, value: Any) -> None:
    try:
        found = read(replaced(FULL, path, value))
    except (Malformed, ValidationError):
        assert ESSENTIAL & {step for step in path if isinstance(step, str)} & {path[-1], path[0]}
    else:
        assert Order.model_validate_json(found.model_dump_json()).fingerprint() == found.fingerprint()
