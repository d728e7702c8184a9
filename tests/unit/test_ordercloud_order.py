"""An order of OrderCloud is read whole: each field is carried or kept, and the amounts come to its total."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal

import pytest
import simplejson
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.order import Order, Status
from support.leaves import filled, replaced
from worker.errors import Malformed
from worker.systems.ordercloud.order import STATUSES, to_order

FULL: Final = Path(__file__).parents[1] / "data" / "full" / "ordercloud.json"
#: What the full order says, and an `Order` does not.
DROPPED: Final[set[tuple[str | int, ...]]] = set()


def full() -> dict[str, Any]:
    raw: dict[str, Any] = simplejson.loads(FULL.read_text("utf-8"), parse_float=Decimal)
    return raw


def order_of(
    raw: dict[str, Any], *, several: Literal["refuse", "first"] = "refuse", both_directions: bool = False
) -> Order:
    return to_order(raw, provider="oc", statuses=STATUSES, several_addresses=several, both_directions=both_directions)


def raw_order(*lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
    items = [{"ProductID": "P", "Quantity": 1, "UnitPrice": 10, **line} for line in lines]
    base = {"ID": "O1", "Status": "Open", "DateSubmitted": "2026-01-05T08:15:30+00:00", "Total": 0}
    return {**base, "LineItems": items, **fields}


def another(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, Decimal)):
        return value + 1
    return f"1{value[1:]}" if value[:1] == "2" else "US" if value == "NL" else f"{value}x"


def test_each_field_of_the_full_order_is_carried_or_kept() -> None:
    raw, order = full(), order_of(full())
    assert order.adds_up
    given = [(path, value) for path, value in filled(raw) if value is not None]
    lost = {path for path, value in given if order_of(replaced(raw, path, another(value)), several="first") == order}
    assert lost == DROPPED


def test_what_is_kept_counts_as_no_change() -> None:
    raw = full()
    raw["FromUser"]["LastActive"] = "2026-03-02T05:00:00+00:00"
    assert order_of(raw) != order_of(full())
    assert order_of(raw).fingerprint() == order_of(full()).fingerprint()
    raw["xp"]["Channel"] = "phone"
    assert order_of(raw).fingerprint() != order_of(full()).fingerprint()


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ({"Quantity": 3, "UnitPrice": None, "LineSubtotal": "0.1", "LineTotal": "0.1"}, ("0.04", "0.02")),
        ({"Quantity": 3, "UnitPrice": "10.33", "LineSubtotal": 31, "LineTotal": 28}, ("10.34", "3.02")),
        ({"Quantity": 2, "UnitPrice": "9.975", "LineSubtotal": "19.95", "LineTotal": "17.95"}, ("9.975", "2")),
        ({"Quantity": 3, "UnitPrice": None, "LineSubtotal": "0.1234", "LineTotal": None}, ("0.0412", "0.0002")),
        ({"Quantity": 2, "UnitPrice": None, "LineTotal": 7, "PromotionDiscount": 1, "BaseDiscount": 2}, ("5", "3")),
        ({"Quantity": 2, "UnitPrice": 5, "PromotionDiscount": 1}, ("5", "1")),
        ({"UnitPrice": None, "LineSubtotal": 0}, ("0", "0")),
        ({"UnitPrice": "1,234.50"}, ("1234.5", "0")),
    ],
)
def test_the_price_of_a_line_and_its_discount_come_to_its_total(line: dict[str, Any], shown: tuple[str, str]) -> None:
    [read] = order_of(raw_order(line)).lines
    assert (read.unit_price, read.discount) == tuple(map(Decimal, shown))


def test_a_price_that_cannot_be_divided_is_rounded_to_the_smallest_unit_of_the_currency() -> None:
    line = {"Quantity": 3, "UnitPrice": None, "LineSubtotal": 100}
    prices = {code: order_of(raw_order(line, Currency=code)).lines[0].unit_price for code in ("JPY", "USD", "KWD")}
    assert prices == {"JPY": 34, "USD": Decimal("33.34"), "KWD": Decimal("33.334")}


def test_a_line_without_any_price_is_refused() -> None:
    with pytest.raises(Malformed) as caught:
        order_of(raw_order({}, {"UnitPrice": None}))
    assert caught.value.field == "LineItems[1].UnitPrice"


cents = st.integers(0, 100_000).map(lambda cent: Decimal(cent) / 100)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 50), cents, cents, cents, st.booleans()), min_size=1, max_size=5),
    st.tuples(cents, cents, cents, cents, cents),
)
def test_lines_discounts_and_fees_come_to_the_total_whatever_the_prices(
    lines: list[tuple[int, Decimal, Decimal, Decimal, bool]],
    others: tuple[Decimal, Decimal, Decimal, Decimal, Decimal],
) -> None:
    """The sums are those of the documentation; a price of one piece is shown rounded, or not at all."""
    items: list[dict[str, Any]] = []
    for quantity, subtotal, promotion, base, is_shown in lines:
        price = round(subtotal / quantity, 2) if is_shown else None
        items.append({
            "Quantity": quantity, "UnitPrice": price, "LineSubtotal": subtotal, "PromotionDiscount": promotion,
            "BaseDiscount": base, "LineTotal": subtotal - promotion - base,
        })  # fmt: skip
    shipping, tax, gratuity, fees, of_the_order = others
    sums: dict[str, Decimal] = {
        "Subtotal": sum((item["LineSubtotal"] for item in items), Decimal(0)),
        "BaseDiscount": sum((item["BaseDiscount"] for item in items), Decimal(0)),
        "PromotionDiscount": sum((item["PromotionDiscount"] for item in items), Decimal(0)) + of_the_order,
        "TaxCost": tax, "ShippingCost": shipping, "Gratuity": gratuity, "Fees": fees,
    }  # fmt: skip
    total = sums["Subtotal"] - sums["BaseDiscount"] - sums["PromotionDiscount"] + tax + shipping + gratuity + fees
    order = order_of(raw_order(*items, **sums, Total=total))
    assert order.totals.discount == of_the_order
    assert [line.subtotal for line in order.lines] == [item["LineTotal"] for item in items]
    assert order.adds_up
    older = {name: value for name, value in sums.items() if name != "BaseDiscount"}
    assert order_of(raw_order(*items, **older, Total=total)).totals == order.totals


@pytest.mark.parametrize(
    ("price", "subtotal", "fees"), [(0, 30, None), (5, 35, 5), (5, 30, None)], ids=["free", "priced", "not summed"]
)
def test_the_line_of_a_bundle_is_no_goods_and_what_it_costs_is_a_fee(
    price: int, subtotal: int, fees: int | None
) -> None:
    bundle = {"ID": "L3", "ProductID": "SET", "IsBundle": True, "UnitPrice": price, "LineSubtotal": price}
    part = {"BundleItemID": "L3"}
    order = order_of(raw_order(bundle, part, {**part, "Quantity": 2}, Subtotal=subtotal, Total=subtotal))
    assert [(line.product_id, line.quantity) for line in order.lines] == [
        ("P", Decimal(1)),
        ("P", Decimal(2)),
    ]
    assert (order.totals.fees or None, order.adds_up) == (fees, True)
    assert order.custom["ordercloud"]["LineItems"]["0"]["ProductID"] == "SET"


def test_two_specs_of_one_name_are_both_options() -> None:
    specs = [
        {"SpecID": "s1", "Name": "Size", "OptionID": "xl"},
        {"SpecID": "s3", "Name": "Size", "Value": "Long"},
        {"SpecID": "s4", "Name": "Gift", "Value": None},
    ]
    order = order_of(raw_order({"Specs": specs}))
    assert [(option.name, option.value) for option in order.lines[0].options] == [("Size", "xl"), ("Size", "Long")]
    assert order.custom["ordercloud"]["LineItems"]["0"]["Specs"]["2"] == {"SpecID": "s4", "Name": "Gift"}


def test_points_are_no_currency_and_are_kept() -> None:
    order = order_of(raw_order({}, Currency="Points"))
    assert (order.currency, order.custom["ordercloud"]["Currency"]) == (None, "Points")


@pytest.mark.parametrize(
    ("status", "shipped", "meaning"),
    [
        ("Open", 0, Status.NEW),
        ("Open", 1, Status.PROCESSING),
        ("Completed", 1, Status.SHIPPED),
        ("AwaitingApproval", 0, Status.ON_HOLD),
        ("Declined", 0, Status.CANCELLED),
        ("Canceled", 0, Status.CANCELLED),
        ("Unsubmitted", 0, Status.EXCLUDED),
        ("Mislaid", 0, Status.UNKNOWN),
    ],
)
def test_a_status_has_its_meaning(status: str, shipped: int, meaning: Status) -> None:
    assert order_of(raw_order({"QuantityShipped": shipped}, {}, Status=status)).status is meaning


def test_a_forwarded_copy_is_excluded_where_both_directions_are_read() -> None:
    copy = raw_order({"IncomingOrderID": "SO-1"}, {"IncomingOrderID": "SO-1"})
    assert order_of(copy, both_directions=True).status is Status.EXCLUDED
    assert order_of(copy).status is Status.NEW
    assert order_of(raw_order({"OutgoingOrderID": "SO-1-a"}), both_directions=True).status is Status.NEW


def test_digital_lines_have_no_address_and_several_addresses_are_refused() -> None:
    home, work = ({"Street1": street, "City": "Reno", "Country": "us"} for street in ("1 Main St", "2 Side St"))
    digital: dict[str, Any] = {"ShippingAddress": None}
    order = order_of(raw_order(digital, {"ShippingAddress": home}, {"ShippingAddress": home | {"ID": "7"}}))
    assert (order.shipping_address.street1, order.shipping_address.country) == ("1 Main St", "US")
    several = raw_order(digital, {"ShippingAddress": home}, {"ShippingAddress": work})
    with pytest.raises(Malformed) as caught:
        order_of(several)
    assert caught.value.field == "LineItems[2].ShippingAddress"
    first = order_of(several, several="first")
    assert first.shipping_address.street1 == "1 Main St"
    assert first.custom["ordercloud"]["LineItems"]["2"]["ShippingAddress"]["Street1"] == "2 Side St"


def test_extended_properties_named_like_our_key_are_kept() -> None:
    order = order_of(raw_order({}, ToCompanyID="mp", xp={"ordercloud": 7, "rush": True}))
    assert order.custom == {"rush": True, "ordercloud": {"ToCompanyID": "mp", "xp": {"ordercloud": 7}}}
