"""The request that Dropday is sent for an order, and the orders that are held before anything is sent."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import simplejson
from hypothesis import given
from hypothesis import strategies as st

from schemas.order import Address, Customer, Line, Order, PickupPoint, Shipping, Status, Totals
from worker.errors import Held, Unavailable
from worker.http.client import Answer, Client
from worker.http.gates import Open
from worker.lab.sandbox.dropday.checks import check
from worker.systems.dropday.target import Dropday, DropdayOptions
from worker.systems.target import Receipt

TO = Address(
    first_name="Ada", last_name="Byron", street1="Main St 1", city="London", postal_code="E1", country="GB", phone="1"
)
ORDER = Order(
    provider="shop-nl",
    external_id="7",
    status=Status.NEW,
    ordered_at=datetime(2024, 4, 2, tzinfo=UTC),
    lines=(Line(id="1", name="Mug", quantity=Decimal(1), unit_price=Decimal(5)),),
    totals=Totals(),
    customer=Customer(first_name="Ann", last_name="Buyer", email="ann@example.org", phone="2"),
    shipping_address=TO,
)


def changed(**fields: Any) -> Order:
    return Order.model_validate({**ORDER.model_dump(), **fields})


def lines(*fields: dict[str, Any]) -> Order:
    return changed(lines=[{"name": "Mug", "quantity": 1, "unit_price": 5, **each} for each in fields])


class Sent(Client):
    """A client that keeps the request instead of sending it, and fails."""

    body: dict[str, Any]

    def write(self, *args: object, **kinds: Any) -> Any:
        self.body = kinds["json"]
        raise ConnectionError


class Answering(Client):
    """A client that answers every create with "already exists", and every list with `rows`."""

    rows: list[dict[str, Any]]

    def write(self, *_: object, **__: object) -> Answer:
        return Answer(200, {}, b'{"message": "Order already exists"}', "POST")

    def read(self, path: str, *_: object, **__: object) -> Answer:
        return Answer(200, {}, simplejson.dumps({"data": self.rows, "last_page": 1}).encode(), f"GET {path}")


class Endless(Client):
    """A list without a last page."""

    def read(self, path: str, *_: object, **__: object) -> Answer:
        return Answer(200, {}, b'{"data": [{"external_id": "SO-71", "reference": 1}]}', f"GET {path}")


def target(client: Client, **options: str) -> Dropday:
    keys = {"api_key": "k", "account_id": "a", **options}
    return Dropday("dropday", DropdayOptions.model_validate(keys), client)


def sent_body(order: Order = ORDER, **options: str) -> dict[str, Any]:
    client = Sent("http://127.0.0.1:9", gate=Open(), headers={})
    with pytest.raises(ConnectionError):
        target(client, **options).create(order, "SO-7")
    client.close()
    return client.body


def held(order: Order, **options: str) -> str:
    client = Sent("http://127.0.0.1:9", gate=Open(), headers={})
    with pytest.raises(Held) as caught:
        target(client, **options).create(order, "SO-7")
    client.close()
    assert not hasattr(client, "body")
    return str(caught.value)


def test_what_is_not_known_is_left_out_and_an_unknown_cost_of_shipping_is_0() -> None:
    assert sent_body(changed(customer={})) == {
        "external_id": "SO-7",
        "source": "shop-nl",
        "total": Decimal("5.00"),
        "shipping_cost": Decimal(0),
        "test": False,
        "shipping": {"cost": Decimal(0)},
        "shipping_address": {
            "first_name": "Ada",
            "last_name": "Byron",
            "address1": "Main St 1",
            "postcode": "E1",
            "city": "London",
            "country": "GB",
            "phone": "1",
        },
        "products": ({"external_id": "1", "name": "Mug", "quantity": Decimal(1), "price": Decimal(5)},),
    }


def test_all_missing_parts_of_an_address_are_named_at_once_and_nothing_is_sent() -> None:
    order = changed(customer={}, shipping_address={"phone": "1"})
    fields = ("first_name", "last_name", "address1", "postcode", "city", "country")
    assert ", ".join(f"shipping_address.{name}" for name in fields) in held(order)
    assert 'placeholder = "-"' in held(order)
    assert sent_body(order, placeholder="-")["shipping_address"] == {**dict.fromkeys(fields, "-"), "phone": "1"}


def test_a_text_that_is_no_country_holds_the_order_or_gives_way_to_the_placeholder() -> None:
    order = changed(shipping_address={**ORDER.shipping_address.model_dump(), "country": "Narnia"})
    assert "requires shipping_address.country, which the order lacks (its text for the country names none)" in held(
        order
    )
    assert "Narnia" not in held(order)
    sent = sent_body(order, placeholder="-")
    assert (sent["shipping_address"]["country"], sent["shipping"]["note"].splitlines()[-1]) == ("-", "Country: Narnia")


@pytest.mark.parametrize(
    ("address", "customer", "names"),
    [
        ({"first_name": "Ada", "last_name": "Byron"}, {"first_name": "Ann"}, ("Ada", "Byron", None)),
        ({}, {"first_name": "Ann", "last_name": "Buyer", "company": "Shop"}, ("Ann", "Buyer", "Shop")),
        ({"company": "Engines Ltd"}, {"first_name": "Ann", "last_name": "Buyer"}, ("Ann", "Buyer", "Engines Ltd")),
        ({"company": "Engines Ltd"}, {}, ("-", "Engines Ltd", "Engines Ltd")),
        ({"last_name": "Ada B. Byron"}, {}, ("Ada B.", "Byron", None)),
        ({"first_name": "Ada Byron", "last_name": " "}, {}, ("Ada", "Byron", None)),
        ({"first_name": "Ada", "middle_name": "G.", "last_name": "Byron"}, {}, ("Ada G.", "Byron", None)),
        ({"last_name": "Madonna"}, {}, ("-", "Madonna", None)),
        ({"company": "Philips"}, {}, ("-", "Philips", "Philips")),
    ],
)
def test_names_fall_back_from_the_address_to_the_customer_to_the_company(
    address: dict[str, str], customer: dict[str, str], names: tuple[str, str, str | None]
) -> None:
    order = changed(shipping_address=address, customer=customer)
    to = sent_body(order, placeholder="-")["shipping_address"]
    assert (to["first_name"], to["last_name"], to.get("company_name")) == names


@pytest.mark.parametrize(
    ("products", "ids"),
    [
        ([{"product_id": "5", "sku": "A"}, {"sku": "B"}, {"ean": "8712345678906"}], ["5", "B", "8712345678906"]),
        ([{"id": "9"}, {}, {}], ["9", "line-2", "line-3"]),
        ([{"product_id": "line-2"}, {}], ["line-2", "line-2-2"]),
        ([{"sku": "9"}, {"id": "9"}], ["9", "line-2"]),
        ([{"product_id": "5", "sku": "RED"}, {"product_id": "5", "sku": "BLUE"}], ["5", "5"]),
    ],
)
def test_every_product_has_an_external_id(products: list[dict[str, Any]], ids: list[str]) -> None:
    assert [product["external_id"] for product in sent_body(lines(*products))["products"]] == ids


@pytest.mark.parametrize(
    ("ean", "sent"),
    [
        ("8712345678906", True),
        ("87235211235464", True),
        ("036000291452", False),
        ("370000000000000017", False),
        ("871234567890x", False),
        ("٨٧١٢٣٤٥٦٧٨٩٠٦", False),
    ],
)
def test_an_ean_is_sent_if_it_has_13_or_14_digits_and_kept_in_custom_otherwise(ean: str, *, sent: bool) -> None:
    product = sent_body(lines({"ean": ean}))["products"][0]
    assert (product.get("ean13"), product.get("custom")) == ((ean, None) if sent else (None, {"ean": ean}))


def test_the_total_is_what_the_customer_pays() -> None:
    discounted = lines({"quantity": 3, "unit_price": "9.9999", "discount": "1"})
    assert sent_body(discounted)["total"] == Decimal("29.00")  # calculated: rounded to what can be paid
    assert sent_body(discounted)["products"][0]["custom"] == {"discount": Decimal(1)}
    stated = changed(totals={"grand": "29.979999999999997", "discount": "3", "tax": "1.5", "fees": "2"})
    assert sent_body(stated)["total"] == Decimal("29.98")
    assert sent_body(stated)["custom"] == {"discount": Decimal(3), "tax": Decimal("1.5"), "fees": Decimal(2)}


@pytest.mark.parametrize(
    ("order", "field"),
    [
        (lines({}, {"quantity": "-1"}), "products.1.quantity"),
        (lines(), "products"),
        (lines({"quantity": 0}), "products"),
        (changed(totals={"grand": "-0.01"}), "total"),
    ],
)
def test_an_order_that_dropday_does_not_take_is_held_and_the_field_is_named(order: Order, field: str) -> None:
    assert field in held(order)


def test_parts_of_a_piece_are_sent_unless_the_account_takes_whole_ones_only() -> None:
    assert sent_body(lines({"quantity": "1.5"}))["products"][0]["quantity"] == Decimal("1.5")
    assert "products.0.quantity" in held(lines({"quantity": "1.5"}), quantities="whole")
    assert sent_body(lines({"quantity": "2.0"}), quantities="whole")["products"][0]["quantity"] == 2


def test_a_line_of_no_pieces_is_left_out() -> None:
    assert [product["name"] for product in sent_body(lines({"quantity": 0}, {"name": "Cup"}))["products"]] == ["Cup"]


def test_a_carrier_is_the_name_of_the_shipping_and_its_service_the_description() -> None:
    both = changed(shipping={"carrier": "UPS", "method": "Ground", "description": "5 days"})
    assert sent_body(both)["shipping"] == {"name": "UPS", "description": "Ground; 5 days", "cost": 0}
    alone = changed(shipping={"method": "Ground", "description": "5 days"})
    assert sent_body(alone)["shipping"] == {"name": "Ground", "description": "5 days", "cost": 0}


def test_what_the_carrier_needs_and_has_no_field_is_in_the_note() -> None:
    point = PickupPoint(id="P1", name="Kiosk", address="Kade 2", hours="9-17", phone="+311")
    shipping = Shipping(
        note="Gate 3",
        promised_on="2026-03-05",
        promised_from="10:00",
        promised_until="14:00",
        promised_text="after lunch",
        ship_on="2026-03-01",
        cancel_after="2026-03-09",
        signature_required=True,
        insured_amount=Decimal(100),
        account="A1",
        account_code="TP",
        pickup_point=point,
        tracking_number="T1",
    )
    order = changed(
        note="Ring twice\nGate 3",
        gift_message="Happy birthday",
        purchase_order="PO-1",
        currency="EUR",
        shipping=shipping.model_dump(),
        shipping_address={**TO.model_dump(), "phone2": "+312"},
    )
    sent = sent_body(order)["shipping"]
    assert sent["delivery_date"] == "05-03-2026"
    assert sent["note"].split("\n") == [
        "Gate 3",
        "Ring twice",
        "Gift message: Happy birthday",
        "Purchase order: PO-1",
        "Promised time: 10:00-14:00",
        "Promised: after lunch",
        "Ship on or after: 2026-03-01",
        "Cancel after: 2026-03-09",
        "Signature required",
        "Insured amount: 100 EUR",
        "Carrier account: A1, TP",
        "Pickup point: Kiosk, P1, Kade 2, 9-17, +311",
        "Tracking number: T1",
        "Second phone: +312",
    ]


def test_a_value_that_does_not_fit_into_its_field_is_in_the_note() -> None:
    to = {**TO.model_dump(), "phone": "call me"}
    order = changed(customer={"email": "n/a"}, shipping={"promised_on": "2024-02-30"}, shipping_address=to)
    body = sent_body(order)
    assert ("email" in body, "phone" in body["shipping_address"], "delivery_date" in body["shipping"]) == (False,) * 3
    assert body["shipping"]["note"] == "E-mail: n/a\nPhone: call me\nPromised on: 2024-02-30"


@pytest.mark.parametrize(
    ("url", "sent"), [("https://shop.example/mug.jpg", True), ("mug.jpg", False), ("https://shop example/m", False)]
)
def test_an_image_that_is_no_address_stays_in_custom(url: str, *, sent: bool) -> None:
    product = sent_body(lines({"image_url": url}))["products"][0]
    assert (product.get("image_url"), product.get("custom")) == ((url, None) if sent else (None, {"image_url": url}))


def test_facts_of_a_line_without_a_field_are_in_its_custom() -> None:
    chosen = [{"name": "size", "value": "xl"}, {"name": "size", "value": "long"}]
    line = {"options": chosen, "note": "Wrap it", "gift_wrap": True, "tax": "1", "weight": "0.35", "custom": {"a": 1}}
    product = sent_body(lines(line))["products"][0]
    custom = {"a": 1, "size": "xl, long", "note": "Wrap it", "gift_wrap": True, "tax": Decimal(1)}
    assert (product["custom"], product["weight"]) == (custom, Decimal("0.35"))


def test_the_accounts_own_fields_are_sent_and_what_a_provider_keeps_is_not() -> None:
    order = changed(
        display_id="1077",
        invoice_number="R-1",
        tags=["new"],
        discount_codes=["SAVE"],
        customer={"tax_id": "NL1"},
        custom={"branch": "north", "retailcrm": {"weight": 5}},
        uncounted=["retailcrm"],
    )
    assert sent_body(order)["custom"] == {
        "order_number": "1077",
        "invoice_number": "R-1",
        "tax_id": "NL1",
        "tags": ["new"],
        "discount_codes": ["SAVE"],
        "branch": "north",
    }


@pytest.mark.parametrize("stock", ["many", True, None, [3]])
def test_a_stock_quantity_that_is_not_a_number_stays_in_custom(stock: object) -> None:
    product = sent_body(lines({"custom": {"stock_quantity": stock}}))["products"][0]
    assert product["custom"] == {"stock_quantity": stock}
    assert "stock_quantity" not in product


TEXT = st.none() | st.text(max_size=9)


@given(
    address=st.fixed_dictionaries({}, optional=dict.fromkeys(Address.model_fields, TEXT)),
    person=st.fixed_dictionaries({}, optional=dict.fromkeys(Customer.model_fields, TEXT)),
    shipping=st.fixed_dictionaries(
        {}, optional={"note": TEXT, "carrier": TEXT, "method": TEXT, "promised_on": st.dates().map(str)}
    ),
    products=st.lists(
        st.fixed_dictionaries(
            {"name": st.just("Mug"), "quantity": st.integers(1, 9), "unit_price": st.decimals(0, 99, places=3)},
            optional=dict.fromkeys(("id", "product_id", "sku", "ean"), TEXT),
        ),
        min_size=1,
        max_size=3,
    ),
    amounts=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("shipping", "grand"), st.none() | st.decimals(0, 99, places=2))
    ),
)
def test_dropday_accepts_any_order_of_an_account_with_a_placeholder(
    address: dict[str, Any], person: dict[str, Any], shipping: dict[str, Any], products: list[Any], amounts: Any
) -> None:
    order = changed(shipping_address=address, customer=person, shipping=shipping, lines=products, totals=amounts)
    sent = simplejson.loads(simplejson.dumps(sent_body(order, placeholder="-")))
    assert check(sent) == {}


def row(**fields: Any) -> dict[str, Any]:
    listed = {"reference": 98, "external_id": "SO-7", "source": "shop-nl", "total": 5.0}
    order_lines = [{"name": "Mug", "quantity": 1}]
    to = {"last_name": "Byron", "address1": "Main  St 1", "postcode": "e1", "city": "London"}
    return {**listed, "order_lines": order_lines, "shipping_address": to, **fields}


def existing(*rows: dict[str, Any], **options: str) -> Receipt:
    client = Answering("http://127.0.0.1:9", gate=Open(), headers={})
    client.rows = list(rows)
    try:
        return target(client, **options).create(ORDER, "SO-7")
    finally:
        client.close()


@pytest.mark.parametrize(
    "rows",
    [
        [row()],
        [row(external_id="SO-71", total=9), row()],
        [row(total=9), row()],
        [row(total="5", source=None, shipping_address=[], order_lines=None)],
        [{"external_id": "SO-7", "reference": "98"}],
    ],
)
def test_an_order_that_exists_already_is_ours_if_its_content_is(rows: list[dict[str, Any]]) -> None:
    assert existing(*rows) == Receipt("98", existed=True)


def test_an_existing_order_that_the_list_does_not_show_yet_is_taken_for_ours() -> None:
    assert existing() == existing(row(external_id="SO-71", total=9)) == Receipt(None, existed=True)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"source": "another"}, "source"),
        ({"total": 5.01}, "total"),
        ({"order_lines": [{"name": "Cup", "quantity": 1}]}, "products"),
        ({"order_lines": [{"name": "Mug", "quantity": 2}]}, "products"),
        ({"shipping_address": {"postcode": "E2"}}, "shipping_address.postcode"),
        ({"external_id": "so-7"}, "external_id"),
    ],
)
def test_an_order_of_someone_else_with_our_reference_is_held(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(Held, match=rf"another order has the external_id SO-7 .* differs in {named}\b"):
        existing(row(**fields))


def recognized(listed: dict[str, Any], *, changed: bool, **options: str) -> bool:
    """Return whether an order that `find` returned is taken for ours."""
    client = Answering("http://127.0.0.1:9", gate=Open(), headers={})
    client.rows = [listed]
    dropday = target(client, **options)
    receipt = dropday.find("SO-7")
    client.close()
    assert receipt == Receipt("98", existed=True)
    try:
        dropday.recognize(ORDER, "SO-7", receipt, changed=changed)
    except Held:
        return False
    return True


ELSEWHERE = {"last_name": "Doe", "address1": "Dam 1", "postcode": "1012", "city": "Amsterdam"}


@pytest.mark.parametrize(
    ("fields", "unchanged", "changed"),
    [
        ({}, True, True),
        ({"source": None, "total": None, "order_lines": [], "shipping_address": []}, True, True),
        ({"total": 5.01}, False, True),
        ({"source": "another"}, False, True),
        ({"order_lines": [{"name": "Cup", "quantity": 1}]}, False, True),
        ({"shipping_address": {"postcode": "E2"}}, False, True),
        ({"total": 9, "order_lines": [{"name": "Cup", "quantity": 1}], "shipping_address": ELSEWHERE}, False, False),
        ({"source": "another", "total": None, "order_lines": None, "shipping_address": ELSEWHERE}, False, False),
    ],
)
def test_an_order_that_is_found_is_ours_if_its_content_is(
    fields: dict[str, Any], *, unchanged: bool, changed: bool
) -> None:
    results = [recognized(row(**fields), changed=kind) for kind in (False, True)]
    assert results == [unchanged, changed]


def test_a_placeholder_is_no_difference() -> None:
    assert existing(row(shipping_address={"city": "-"}), placeholder="-").existed


def test_a_list_without_an_end_does_not_prove_that_an_order_is_absent() -> None:
    client = Endless("http://127.0.0.1:9", gate=Open(), headers={})
    with pytest.raises(Unavailable, match="no end after 1000 pages"):
        target(client).find("SO-7")
    client.close()


@pytest.mark.parametrize(
    ("reference", "asked"), [("SO-7", "SO-7"), ("a\\bcd", "bcd"), ("100%_7", "100%_7"), ("\\", "\\")]
)
def test_the_filter_of_the_list_holds_no_escape_of_a_database(reference: str, asked: str) -> None:
    class Asked(Client):
        def read(self, path: str, params: Any = (), **__: Any) -> Answer:
            assert dict(params)["external_id"] == asked
            body = simplejson.dumps({"data": [{"external_id": reference, "reference": 9}], "last_page": 1})
            return Answer(200, {}, body.encode(), f"GET {path}")

    client = Asked("http://127.0.0.1:9", gate=Open(), headers={})
    assert target(client).find(reference) == Receipt("9", existed=True)
    client.close()


def test_the_source_is_the_configured_one_or_the_store_or_the_provider() -> None:
    of_a_store = changed(store="shop-a")
    assert [sent_body(of_a_store, source="Mine")["source"], sent_body(of_a_store)["source"], sent_body()["source"]] == [
        "Mine",
        "shop-a",
        "shop-nl",
    ]


def test_a_country_is_written_as_the_account_requires() -> None:
    assert sent_body()["shipping_address"]["country"] == "GB"
    assert sent_body(country="name")["shipping_address"]["country"] == "United Kingdom"


@pytest.mark.parametrize(
    ("test", "ordered", "is_test"), [("always", False, True), ("as_ordered", True, True), ("as_ordered", False, False)]
)
def test_an_order_is_sent_as_a_test_if_it_or_the_account_is_one(test: str, *, ordered: bool, is_test: bool) -> None:
    assert sent_body(changed(test=ordered), test=test)["test"] is is_test
