"""The request to RetailCRM: its total is what the customer pays to the cent, or the difference is named."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.order import Order
from schemas.retailcrm_prices import AmountError
from schemas.retailcrm_request import Codes, OrderRequest
from worker.lab.sandbox.retailcrm.charges import charge

MUG = {"name": "Mug", "quantity": "3", "unit_price": "20"}


def order(*lines: dict[str, Any], totals: dict[str, Any] | None = None, **fields: Any) -> Order:
    base = {"provider": "shop", "external_id": "1", "status": "new", "ordered_at": "2024-04-02T08:14:02Z"}
    return Order.model_validate({**base, "lines": lines, "totals": totals or {}, **fields})


def request_for(given: Order, zone: str = "UTC", **codes: Any) -> OrderRequest:
    return OrderRequest.of(given, "R-1", zone=ZoneInfo(zone), currency=None, codes=Codes(**codes))


def shown(given: Order) -> Decimal:
    """Return the total that RetailCRM shows, by its own rules."""
    body: dict[str, Any] = request_for(given).body()
    charge(body)
    return Decimal(str(body["totalSumm"]))


@pytest.mark.parametrize(
    ("lines", "totals", "total"),
    [
        ([MUG], {}, "60"),
        ([{**MUG, "discount": "20.9"}], {"shipping": "4.95"}, "44.05"),
        ([{**MUG, "discount": "10"}, MUG], {"discount": "5", "grand": "105"}, "105"),
        ([{**MUG, "unit_price": "11.3333"}], {"grand": "34"}, "34"),
        ([{**MUG, "unit_price": "11.33"}], {"grand": "34"}, "34"),
        ([{**MUG, "quantity": "1.5", "unit_price": "26.5333"}], {"shipping": "4.95"}, "44.75"),
        ([{**MUG, "quantity": "0.333", "unit_price": "9.99"}], {}, "3.33"),
        ([MUG], {"fees": "2.50"}, "62.5"),
        ([MUG], {"tax": "12"}, "72"),
        ([MUG], {"tax": "12", "grand": "60"}, "60"),
        ([MUG], {"tax": "12", "grand": "72", "fees": "0"}, "72"),
        ([{**MUG, "tax": "4"}], {"grand": "64"}, "64"),
        ([MUG], {"tax": "12", "fees": "3", "shipping": "5", "discount": "10", "grand": "70"}, "70"),
        ([MUG], {"fees": "-5"}, "55"),
        ([{**MUG, "discount": "-3"}], {}, "63"),
        ([{**MUG, "discount": "60"}], {"grand": "0"}, "0"),
        ([{**MUG, "quantity": "7", "unit_price": "3.33", "discount": "0.01"}], {}, "23.3"),
        ([{**MUG, "unit_price": "0"}, MUG], {"grand": "60"}, "60"),
        ([], {"shipping": "5"}, "5"),
    ],
)
def test_the_total_is_what_the_customer_pays(lines: list[dict[str, Any]], totals: dict[str, str], total: str) -> None:
    assert shown(order(*lines, totals=totals)) == Decimal(total)


@pytest.mark.parametrize(
    ("lines", "totals", "reason"),
    [
        ([MUG], {"grand": "61"}, "make 60.00, but the customer pays 61.00: the difference is 1.00"),
        ([MUG], {"grand": "50", "tax": "3"}, "make 60.00, but the customer pays 50.00: the difference is -10.00"),
        ([{**MUG, "discount": "61"}], {}, r"line 1 costs -1.00, a negative amount"),
        ([MUG, {**MUG, "unit_price": "-5"}], {}, r"line 2 costs -15.00, a negative amount"),
        ([MUG], {"shipping": "5", "discount": "62"}, "the discount of the order, 62.00, is not between 0 and .* 60.00"),
        ([], {"grand": "10"}, "make 0.00, but the customer pays 10.00"),
    ],
)
def test_a_total_that_cannot_be_shown_is_named_before_anything_is_written(
    lines: list[dict[str, Any]], totals: dict[str, str], reason: str
) -> None:
    with pytest.raises(AmountError, match=reason):
        request_for(order(*lines, totals=totals))


_cents = st.decimals(0, 500, places=2)
_line = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["Mug", "Cup"]),
        "quantity": st.one_of(st.integers(1, 12).map(Decimal), st.decimals("0.001", 9, places=3)),
        "unit_price": st.decimals(0, 500, places=4),
        "discount": st.decimals(0, 30, places=3),
    }
)


@given(
    lines=st.lists(_line, max_size=5),
    shipping=st.none() | _cents,
    fees=st.none() | _cents,
    tax=st.none() | _cents,
    discount=st.none() | st.decimals(0, 50, places=2),
    stated=st.booleans(),
)
def test_any_order_shows_its_total_or_is_not_written(stated: bool, lines: list[dict[str, Any]], **totals: Any) -> None:  # noqa: FBT001
    given_order = order(*lines, totals=totals)
    if stated:
        grand = given_order.grand_total.quantize(Decimal("0.01"))
        given_order = order(*lines, totals={**totals, "grand": grand})
    try:
        total = shown(given_order)
    except AmountError:
        net = given_order.grand_total
        assert net < 0 or any(line.subtotal < 0 for line in given_order.lines) or totals["discount"]
        return
    assert abs(total - given_order.grand_total) <= Decimal("0.005")


@pytest.mark.parametrize(
    ("quantity", "discount", "piece", "whole"),
    [
        ("2", "20.9", "10.45", None),
        ("3", "10", None, "10"),
        ("4", "0.02", None, "0.02"),
        ("1.5", "3", "2", None),
        ("3", "0", None, None),
    ],
)
def test_a_discount_is_sent_per_piece_if_that_is_exact_and_otherwise_for_the_order(
    quantity: str, discount: str, piece: str | None, whole: str | None
) -> None:
    request = request_for(order({**MUG, "quantity": quantity, "discount": discount}))
    exact = tuple(amount and Decimal(amount) for amount in (piece, whole))
    assert (request.items[0].discount_manual_amount, request.discount_manual_amount) == exact


def test_a_moment_is_written_in_the_accounts_zone_without_an_offset() -> None:
    assert request_for(order(MUG), zone="Asia/Tokyo").body()["createdAt"] == "2024-04-02 17:14:02"
    late = order(MUG, ordered_at="2024-04-02T23:00:00.9Z")
    assert request_for(late, zone="Europe/Moscow").body()["createdAt"] == "2024-04-03 02:00:00"


FULL: dict[str, Any] = {
    "display_id": "SO-1",
    "status": "paid",
    "test": True,
    "customer": {"first_name": "Bob", "last_name": "Buyer", "email": "bob@example.org", "tax_id": "NL001"},
    "billing_address": {"company": "Engines Ltd", "city": "Delft"},
    "shipping_address": {
        "first_name": "Ada",
        "middle_name": "G.",
        "last_name": "Byron",
        "email": "ada@example.org",
        "phone": "+31 1",
        "phone2": "+31 2",
        "country": "netherlands",
    },
    "shipping": {
        "method": "express",
        "carrier": "UPS",
        "description": "Next day",
        "note": "ring",
        "promised_on": "2024-04-04",
        "promised_from": "10:00",
        "promised_until": "14:00",
        "promised_text": "after lunch",
        "ship_on": "2024-04-03",
        "cancel_after": "2024-05-01",
        "signature_required": True,
        "insured_amount": "50",
        "account": "A-1",
        "account_code": "third-party",
        "pickup_point": {"id": "pp1", "name": "Kiosk", "hours": "9-21"},
        "tracking_number": "TRK1",
        "warehouse": "main",
    },
    "payments": [{"method": "card", "status": "settled", "amount": "60", "paid": True, "note": "online"}],
    "purchase_order": "PO-7",
    "invoice_number": "INV-9",
    "note": "hello",
    "internal_note": "VIP",
    "gift_message": "for\nyou",
    "tags": ["b2b"],
    "discount_codes": ["SPRING"],
    "cancelled_lines": [{"name": "Hat", "quantity": "2", "unit_price": "5"}],
    "custom": {"nps": 9, "channels": ["a", "b"]},
}
LINE: dict[str, Any] = {
    **MUG,
    "sku": "M-1",
    "ean": "4006381333931",
    "brand": "Potters",
    "category": "Kitchen",
    "supplier": "Potters Ltd",
    "weight": "0.35",
    "gift_wrap": True,
    "note": "blue",
    "purchase_price": "4",
    "options": [{"name": "Engraving", "value": "Ada"}, {"name": "Engraving", "value": "Bob"}],
    "custom": {"font": "serif"},
}


def test_what_has_a_field_is_in_it_and_the_rest_can_be_read_in_the_comments() -> None:
    body = request_for(order(LINE, **FULL)).body()
    assert (body["patronymic"], body["additionalPhone"], body["shipmentDate"]) == ("G.", "+31 2", "2024-04-03")
    assert body["delivery"]["time"] == {"from": "10:00", "to": "14:00", "custom": "after lunch"}
    assert (body["delivery"]["date"], body["delivery"]["address"]["countryIso"]) == ("2024-04-04", "NL")
    assert body["customerComment"] == "hello\nGift message: for; you"
    assert body["managerComment"].splitlines() == [
        "VIP",
        "Test order: do not ship",
        "Customer: Bob Buyer, bob@example.org",
        "Billing address: Engines Ltd, Delft",
        "Tax ID: NL001",
        "Shipping method: express",
        "Carrier: UPS",
        "Shipping: Next day",
        "Pickup point: Kiosk, pp1, 9-21",
        "Not wanted after: 2024-05-01",
        "Signature required: yes",
        "Insured amount: 50",
        "Carrier account: A-1",
        "Carrier account code: third-party",
        "Tracking number: TRK1",
        "Warehouse: main",
        "Purchase order: PO-7",
        "Invoice: INV-9",
        "Discount codes: SPRING",
        "Tags: b2b",
        "Payments: card 60 settled paid online",
        "Status: paid",
        "Cancelled: 2 x Hat",
    ]
    assert "payments" not in body
    texts = [(entry["name"], entry["value"]) for entry in body["items"][0]["properties"].values()]
    assert texts == [
        ("Engraving", "Ada"),
        ("Engraving", "Bob"),
        ("sku", "M-1"),
        ("ean", "4006381333931"),
        ("brand", "Potters"),
        ("supplier", "Potters Ltd"),
        ("category", "Kitchen"),
        ("weight, kg", "0.35"),
        ("gift wrap", "yes"),
        ("font", "serif"),
    ]


def test_what_the_account_has_a_code_for_is_not_repeated_in_the_comments() -> None:
    codes: dict[str, Any] = {
        "status": {"paid": "prepayed"},
        "delivery": {"express": "courier"},
        "payment": {"card": "bank-card"},
        "custom": {"purchase_order": "po", "custom.nps": "nps", "custom.channels": "ch", "shipping.carrier": "by"},
    }
    body = request_for(order(LINE, **FULL), **codes).body()
    comment = body["managerComment"]
    for label in ("Status", "Shipping method", "Payments", "Purchase order", "Carrier"):
        assert f"\n{label}: " not in comment
    assert body["customFields"] == {"po": "PO-7", "nps": 9, "ch": ["a", "b"], "by": "UPS"}
    (payment,) = body["payments"]
    assert (payment["type"], payment["status"], payment["comment"]) == ("bank-card", "paid", "online")


@pytest.mark.parametrize(
    ("payment", "status"),
    [
        ({"status": "paid", "paid": True}, "paid"),
        ({"paid_at": "2024-04-02T08:14:02Z"}, "paid"),
        ({"paid": False}, None),
        ({"status": "Paid"}, "paid"),
        ({"status": "paid", "paid": False}, None),
    ],
)
def test_a_payment_is_paid_with_or_without_a_date(payment: dict[str, Any], status: str | None) -> None:
    paid = order(MUG, payments=[{"method": "card", "amount": "60", **payment}])
    (sent,) = request_for(paid, payment={"card": "bank-card"}).payments or ()
    assert sent.status == status


def test_blank_values_are_never_sent() -> None:
    blank = {"first_name": " ", "last_name": "", "phone": "\t", "city": " "}
    body = request_for(order({**MUG, "note": " "}, note=" ", gift_message="", shipping_address=blank)).body()
    assert "" not in str(body).replace("''", "!").split("!")[1:]
    assert body.keys() == {"externalId", "createdAt", "delivery", "items"}


def test_every_line_of_ours_has_a_mark_of_its_own_and_long_keys_are_shortened() -> None:
    lines = [{**MUG, "id": "l" * 300}, {**MUG, "id": "l" * 299 + "x"}, MUG, MUG]
    body = request_for(order(*lines, totals={"fees": "1", "tax": "2"})).body()
    marks = [item["externalIds"][0]["value"] for item in body["items"]]
    assert len(set(marks)) == 6
    assert max(map(len, marks)) < 130
