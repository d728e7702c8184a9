"""What an order becomes in OrderCloud: its total, its limits, and each of its fields."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.changes import Changes, fingerprints
from schemas.order import Order
from schemas.ordercloud_mark import line_mark, order_mark
from schemas.ordercloud_request import OrderRequest, changed_order
from support.leaves import filled, replaced
from worker.errors import Held
from worker.systems.ordercloud.content import Content, content_of, line_ids

RENO: Final = {
    "first_name": "Ada", "middle_name": "M.", "last_name": "Byron", "company": "Byron Ltd", "street1": "1 Main St",
    "street2": "Apt 2", "city": "Reno", "region": "NV", "postal_code": "89501", "country": "US", "phone": "1",
    "phone2": "2", "email": "ada@example.org",
}  # fmt: skip
MUG: Final = {
    "id": "1", "product_id": "7", "sku": "MUG", "ean": "4006381333931", "name": "Mug", "quantity": "3",
    "unit_price": "10", "discount": "1", "tax": "2", "purchase_price": "5", "weight": "0.4", "brand": "Delft",
    "category": "Cups", "supplier": "potters", "image_url": "https://example.org/mug.png", "gift_wrap": True,
    "note": "Handle up", "options": {"Size": "XL"}, "custom": {"colour": "blue"},
}  # fmt: skip
#: An order with a value in every field that says something about its content.
FULL: Final[dict[str, Any]] = {
    "provider": "shop", "external_id": "1", "display_id": "#1", "source_id": "S1", "store": "nl", "status": "paid",
    "status_raw": "prepayed", "test": True, "ordered_at": "2026-01-05T05:00:00Z", "currency": "EUR",
    "lines": [MUG],
    "cancelled_lines": [{"sku": "CUP", "name": "Cup", "quantity": "1", "unit_price": "5"}],
    "totals": {"items": "29", "shipping": "4.95", "discount": "2", "tax": "3", "fees": "1", "grand": "35.95"},
    "customer": {
        "id": "3", "first_name": "Ann", "middle_name": "I.", "last_name": "King", "company": "King Ltd",
        "email": "ann@example.org", "phone": "3", "phone2": "4", "tax_id": "NL1",
    },
    "shipping_address": RENO,
    "billing_address": {**RENO, "street1": "2 Side St"},
    "shipping": {
        "method": "Ground", "carrier": "UPS", "description": "In three days", "note": "Gate code 7",
        "promised_on": "2026-01-09", "promised_from": "10:00", "promised_until": "14:00", "promised_text": "noon",
        "ship_on": "2026-01-06", "cancel_after": "2026-01-20", "signature_required": True, "insured_amount": "100",
        "account": "A1", "account_code": "third", "tracking_number": "1Z", "warehouse": "north",
        "pickup_point": {"id": "P1", "name": "Kiosk", "address": "Dam 1", "phone": "5", "hours": "9-17"},
    },
    "payments": [{
        "id": "p1", "method": "card", "status": "settled", "amount": "35.95", "paid_at": "2026-01-05T05:01:00Z",
        "paid": True, "note": "visa",
    }],
    "purchase_order": "PO-7", "invoice_number": "INV-7", "note": "Ring twice", "internal_note": "VIP",
    "gift_message": "Enjoy", "tags": ["gift"], "discount_codes": ["TEN"], "custom": {"branch": "north"},
}  # fmt: skip
#: The fields of an order that OrderCloud is not told: they say how the order is read, not what it is.
DROPPED: Final = {"version", "updated_at", "removed", "combined_into", "uncounted"}


def order_of(**fields: Any) -> Order:
    base = {name: FULL[name] for name in ("provider", "external_id", "status", "ordered_at", "currency", "lines")}
    return Order.model_validate({**base, "totals": {}, **fields})


def content(order: Order, **options: Any) -> Content:
    defaults: dict[str, Any] = {"product_map": {}, "products": "sku", "prices": "ours", "country": None}
    account: Any = SimpleNamespace(**{**defaults, **options})
    return content_of(order, account, "cloud")


def bodies(order: Order, **options: Any) -> list[Any]:
    made = content(order, **options)
    request = OrderRequest.of(order, "R", company="web", user="shop", amounts=made.amounts)
    return [request.body(), *(line.body() for line in made.lines), made.ship_to, made.bill_to]


def changed(path: tuple[str | int, ...]) -> Order:
    raw = replaced(FULL, path, _another(dict(filled(FULL))[path]))
    if path[0] in {"lines", "totals"} and path != ("totals", "grand"):
        # Without the grand total: the other amounts come to another one.
        raw["totals"] = {name: amount for name, amount in raw["totals"].items() if name != "grand"}
    return Order.model_validate(raw)


def _another(value: Any) -> Any:
    others: dict[Any, Any] = {
        True: False, "paid": "new", "10:00": "11:00", "14:00": "15:00", "EUR": "USD", "US": "NL",
        "2026-01-05T05:00:00Z": "2026-01-06T05:00:00Z", "2026-01-05T05:01:00Z": "2026-01-06T05:00:00Z",
    }  # fmt: skip
    if value in others:
        return others[value]
    if value.startswith("2026"):
        return f"{value[:-1]}2"
    return str(Decimal(value) + 1) if re.fullmatch(r"\d+(\.\d+)?", value) else f"{value}x"


@pytest.mark.parametrize("path", [path for path, _ in filled(FULL)], ids=lambda path: ".".join(map(str, path)))
def test_each_field_of_the_full_order_arrives(path: tuple[str | int, ...]) -> None:
    if path == ("totals", "grand"):
        with pytest.raises(Held, match="a difference of 1"):
            content(changed(path))
        return
    assert bodies(changed(path)) != bodies(Order.model_validate(FULL))


def test_the_full_order_has_every_field() -> None:
    order = Order.model_validate(FULL)
    empty = {name for name in Order.model_fields if getattr(order, name) in (None, (), {}, False)}
    assert empty == DROPPED
    parts = (order.lines[0], order.customer, order.shipping_address, order.shipping, order.payments[0], order.totals)
    assert [name for part in parts for name in type(part).model_fields if getattr(part, name) is None] == []


@pytest.mark.parametrize(
    ("fields", "pieces", "others"),
    [
        ({"lines": [{**MUG, "discount": "1"}]}, [(1, "9.66"), (2, "9.67")], (0, 0, 0)),
        ({"totals": {"discount": "4"}}, [(2, "8.33"), (1, "8.34")], (0, 0, 0)),
        ({"lines": [{**MUG, "discount": "0"}], "totals": {"fees": "2", "shipping": "5"}}, [(3, "10")], (5, 0, 2)),
        ({"totals": {"tax": "3", "grand": "29"}}, [(1, "9.66"), (2, "9.67")], (0, 0, 0)),
        ({"totals": {"tax": "3", "grand": "32"}}, [(1, "9.66"), (2, "9.67")], (0, 3, 0)),
        ({"totals": {"discount": "31", "shipping": "5"}}, [(3, "0")], (3, 0, 0)),
        ({"lines": [{**MUG, "discount": "31"}], "totals": {"grand": "0"}}, [(3, "0")], (0, 0, 0)),
        ({"lines": [{**MUG, "unit_price": "3.333333", "discount": "0"}]}, [(2, "3.33"), (1, "3.34")], (0, 0, 0)),
        ({"lines": [{**MUG, "unit_price": "0", "discount": "0"}], "totals": {"grand": "9"}}, [(3, "3")], (0, 0, 0)),
        ({"currency": "JPY", "lines": [{**MUG, "discount": "1"}]}, [(1, "9"), (2, "10")], (0, 0, 0)),
    ],
)
def test_amounts_without_a_field_are_part_of_the_line_prices(
    fields: dict[str, Any], pieces: list[tuple[int, str]], others: tuple[int, int, int]
) -> None:
    made = content(order_of(**fields))
    assert [(line.quantity, line.unit_price) for line in made.lines] == [(n, Decimal(price)) for n, price in pieces]
    assert made.amounts is not None
    assert [made.amounts.shipping, made.amounts.tax, made.amounts.gratuity] == list(map(Decimal, others))


def test_a_discount_of_the_order_lowers_all_lines_in_proportion() -> None:
    goods = [{**MUG, "id": str(price), "quantity": 1, "unit_price": price, "discount": 0} for price in (10, 30, 0)]
    made = content(order_of(lines=goods, totals={"discount": 4}))
    assert [line.unit_price for line in made.lines] == [9, 27, 0]
    made = content(order_of(lines=goods, totals={"discount": "0.01"}))
    assert [line.unit_price for line in made.lines] == [10, Decimal("29.99"), 0]


cents = st.integers(0, 5_000).map(lambda cent: Decimal(cent) / 100)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(1, 12), cents, cents), min_size=1, max_size=4),
    st.tuples(cents, cents, cents, cents),
    st.sampled_from(["not stated", "tax on top", "tax included"]),
)
def test_the_total_in_the_target_is_the_grand_total(
    lines: list[tuple[int, Decimal, Decimal]], amounts: tuple[Decimal, Decimal, Decimal, Decimal], grand: str
) -> None:
    shipping, discount, tax, fees = amounts
    goods = [{**MUG, "id": str(n), "quantity": q, "unit_price": p, "discount": d} for n, (q, p, d) in enumerate(lines)]
    net = sum((q * p - d for q, p, d in lines), shipping + fees - discount)
    total = net if grand == "tax included" else net + tax
    totals = {"shipping": shipping, "discount": discount, "tax": tax, "fees": fees}
    order = order_of(lines=goods, totals=totals if grand == "not stated" else {**totals, "grand": total})
    if total < 0:
        with pytest.raises(Held, match="no negative prices"):
            content(order)
        return
    body, *parts = bodies(order)
    priced = [line for line in parts if "Quantity" in line]
    shown = sum((line["Quantity"] * line["UnitPrice"] for line in priced), Decimal(0))
    assert shown + body["ShippingCost"] + body["TaxCost"] + body.get("Gratuity", 0) == total
    assert all(line["UnitPrice"] >= 0 and line["UnitPrice"] == round(line["UnitPrice"], 2) for line in priced)
    assert sum(line["Quantity"] for line in priced) == sum(quantity for quantity, _, _ in lines)


def test_an_order_whose_amounts_do_not_add_up_is_held_with_the_difference() -> None:
    reason = (
        r"come to 29, or 32 with the tax, and the grand total is 30: a difference of 1, then: .*release cloud shop:1"
    )
    with pytest.raises(Held, match=reason):
        content(order_of(totals={"tax": "3", "grand": "30"}))
    assert content(order_of(totals={"grand": "30"}), prices="theirs").amounts is None


def test_everything_that_would_be_refused_is_named_at_once() -> None:
    lines = [{**MUG, "quantity": "0.5"}, {**MUG, "id": "2", "sku": "a/b"}, {**MUG, "id": "3", "sku": None}]
    lines[2] |= {"ean": None, "product_id": None}
    with pytest.raises(Held) as caught:
        content(order_of(lines=lines, shipping_address={**RENO, "region": None, "city": " "}))
    for problem in (
        "shipping_address.city is missing", "shipping_address.region is missing", "line 1: quantity",
        "line 3: no sku", "no product is known for 1 sku: a/b (line 2)",
    ):  # fmt: skip
        assert problem in str(caught.value)
    with pytest.raises(Held, match="lines: there is none to be shipped"):
        content(order_of(lines=[]))
    mapped = {"a/b": "ab", "Mug": "mug"}
    made = content(order_of(lines=lines[1:]), product_map=mapped)
    assert [line.product_id for line in made.lines] == ["ab", "ab", "mug", "mug"]


@pytest.mark.parametrize(
    ("address", "sent"),
    [
        ({"country": "NL"}, None),
        ({"country": "NL", "city": "Delft", "first_name": "Ada"}, None),
        ({**RENO, "country": "United States"}, "US"),
        ({**RENO, "country": "nl", "region": None, "postal_code": None}, "NL"),
        ({**RENO, "country": None}, "CA"),
    ],
)
def test_an_address_is_complete_or_is_not_sent_and_stands_in_the_mark(
    address: dict[str, Any], sent: str | None
) -> None:
    order = order_of(shipping_address=address, billing_address={"street1": "Postbus 5"})
    made = content(order, country="CA")
    assert made.ship_to.get("Country") == sent
    assert made.bill_to == {}
    mark = order_mark(order, made.amounts)
    given = order.shipping_address
    assert all(text in mark["ShipTo"] for text in (given.country, given.city) if text)
    assert mark["BillTo"] == "Postbus 5"


def test_an_order_without_an_address_keeps_its_person() -> None:
    body, *_ = bodies(order_of(customer={"first_name": "Ada", "last_name": "Byron", "company": "Byron Ltd"}))
    assert body["xp"]["Intake"]["Customer"] == {"FirstName": "Ada", "LastName": "Byron", "Company": "Byron Ltd"}


def test_texts_that_are_too_long_are_shortened_and_stand_whole_in_the_mark() -> None:
    long = "x" * 150
    order = order_of(shipping_address={**RENO, "street1": long}, note="n" * 3000)
    made, (body, *_) = content(order), bodies(order)
    assert (len(made.ship_to["Street1"]), made.ship_to["Street1"][-1]) == (100, "…")
    assert (len(body["Comments"]), body["Comments"][-1]) == (2000, "…")
    assert long in body["xp"]["Intake"]["ShipTo"]
    assert body["xp"]["Intake"]["Note"] == "n" * 3000


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4000)


@settings(max_examples=25)
@given(st.lists(texts, min_size=6, max_size=6), st.integers(0, 60))
def test_the_mark_has_room_whatever_the_texts_and_says_what_it_omits(long: list[str], payments: int) -> None:
    note, internal, gift, name, tag, text = long
    order = order_of(
        note=note, internal_note=internal, gift_message=gift, tags=[tag], custom={text[:50]: text},
        customer={"last_name": name}, payments=[{"note": text}] * payments, lines=[{**MUG, "note": note, "name": name}],
    )  # fmt: skip
    for body in bodies(order):
        if "xp" in body:
            assert len(json.dumps(body["xp"], default=str, ensure_ascii=False).encode()) < 7000
    mark = order_mark(order, None)
    assert mark["Order"] == "shop:1"
    full = {"Note": order.note, "InternalNote": order.internal_note, "GiftMessage": order.gift_message}
    for entry, whole in full.items():
        shown = mark[entry]
        assert shown == whole or entry in mark["Omitted"] or (shown.endswith("…") and whole)


def _types(value: Any, path: str = "") -> set[tuple[str, str]]:
    if isinstance(value, dict):
        return {pair for name, item in value.items() for pair in _types(item, f"{path}.{name}")}
    if isinstance(value, list):
        return {pair for item in value for pair in _types(item, f"{path}[]")}
    kind = "number" if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else type(value).__name__
    return set() if value is None else {(path, kind)}


def test_a_key_of_the_mark_has_one_type_whatever_the_order_says() -> None:
    full, bare = Order.model_validate(FULL), order_of(lines=[{"sku": "A", "name": "A", "quantity": 1, "unit_price": 1}])
    odd = Order.model_validate({**FULL, "custom": {"branch": [1, {"a": None}]}, "test": False})
    types: set[tuple[str, str]] = set()
    for order in (full, bare, odd):
        amounts = content(order).amounts
        assert amounts is not None
        types |= _types(order_mark(order, amounts))
        types |= _types(line_mark(order.lines[0], "1", amounts.lines[0][0]), "line")
    assert len({path for path, _ in types}) == len(types)


def test_line_ids_are_made_of_the_lines_keys_and_differ_in_more_than_the_case() -> None:
    ids = line_ids(["1", "a", "A", "gid://shop/LineItem/7", "ж" * 90, f"{'ж' * 90}!"])
    assert ids[:2] == ["1", "a"]
    assert len({line_id.lower() for line_id in ids}) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,98}", line_id) for line_id in ids)


def test_an_update_of_the_order_writes_the_fields_that_changed() -> None:
    order = Order.model_validate(FULL)
    amounts = content(order).amounts
    assert amounts is not None
    sent = {"Shipping": amounts.shipping, "Tax": amounts.tax, "Gratuity": amounts.gratuity}
    for change, written in (
        ({}, {}),
        ({"note": "Ring once"}, {"Comments": "Ring once\nEnjoy", "xp": {"Intake": {"Note": "Ring once"}}}),
        ({"tags": ("new",)}, {"xp": {"Intake": {"Tags": ["new"]}}}),
        ({"purchase_order": None}, {"xp": {"Intake": {"PurchaseOrder": None}}}),
    ):
        now = order.model_copy(update=change)
        assert changed_order(now, amounts, sent, Changes.between(fingerprints(order), now)) == written
    dearer = order.model_copy(
        update={"totals": order.totals.model_copy(update={"shipping": Decimal(9), "grand": Decimal(40)})}
    )
    body = changed_order(dearer, content(dearer).amounts, sent, Changes.between(fingerprints(order), dearer))
    assert body["ShippingCost"] == 9
    assert {"TaxCost", "Gratuity", "Comments"} & body.keys() == set()
