"""The request that Dropday is sent for an order, depending on the options and the order."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from schemas.dropday import OrderRequest
from schemas.order import Address, Customer, Line, Order, Shipping, Status, Totals
from worker.errors import Unavailable
from worker.http.client import Answer, Client
from worker.http.gates import Open
from worker.systems.dropday.target import Dropday, DropdayOptions

ORDER = Order(
    provider="shop-nl",
    external_id="7",
    status=Status.NEW,
    ordered_at=datetime(2024, 4, 2, tzinfo=UTC),
    lines=(Line(id="1", name="Mug", quantity=Decimal(1), unit_price=Decimal(5)),),
    totals=Totals(),
    customer=Customer(first_name="Ada", last_name="Lovelace", email="ada@example.org", phone="1"),
    shipping_address=Address(country="GB", city="London"),
)


def body(order: Order = ORDER) -> dict[str, Any]:
    return OrderRequest.of(order, "SO-7", source="shop", test=False, country=str).body()


class Sent(Client):
    """A client that keeps the request instead of sending it, and fails."""

    def write(self, *args: object, **kinds: Any) -> Any:
        self.body = kinds["json"]
        raise ConnectionError


class Endless(Client):
    """A list without a last page."""

    def read(self, path: str, *_: object, **__: object) -> Answer:
        return Answer(200, {}, b'{"data": [{"external_id": "SO-71", "reference": 1}]}', f"GET {path}")


def sent_body(order: Order = ORDER, **options: str) -> dict[str, Any]:
    client = Sent("http://127.0.0.1:9", gate=Open(), headers={})
    target = Dropday("dropday", DropdayOptions.model_validate({"api_key": "k", "account_id": "a", **options}), client)
    with pytest.raises(ConnectionError):
        target.create(order, "SO-7")
    client.close()
    body: dict[str, Any] = client.body
    return body


def test_missing_fields_are_left_out_and_left_to_dropday_to_refuse() -> None:
    order = ORDER.model_copy(update={"customer": Customer(), "shipping_address": Address()})
    assert body(order) == {
        "external_id": "SO-7",
        "source": "shop",
        "total": Decimal(5),
        "test": False,
        "shipping_address": {},
        "products": ({"external_id": "1", "name": "Mug", "quantity": Decimal(1), "price": Decimal(5)},),
    }


def test_a_receiver_without_a_name_gets_the_customers_name() -> None:
    assert body()["shipping_address"] == {
        "first_name": "Ada",
        "last_name": "Lovelace",
        "city": "London",
        "country": "GB",
        "phone": "1",
    }
    assert body()["email"] == "ada@example.org"


def test_a_receivers_name_is_not_mixed_with_the_customers() -> None:
    order = ORDER.model_copy(update={"shipping_address": Address(company="Engines Ltd")})
    assert body(order)["shipping_address"] == {"company_name": "Engines Ltd", "phone": "1"}


def test_the_orders_note_is_sent_if_the_delivery_has_none() -> None:
    assert body(ORDER.model_copy(update={"note": "Ring twice"}))["shipping"] == {"note": "Ring twice"}
    both = ORDER.model_copy(update={"note": "Ring twice", "shipping": Shipping(note="Gate 3")})
    assert body(both)["shipping"] == {"note": "Gate 3"}


@pytest.mark.parametrize("stock", ["many", True, None, [3]])
def test_a_stock_quantity_that_is_not_a_number_stays_in_custom(stock: object) -> None:
    line = ORDER.lines[0].model_copy(update={"custom": {"stock_quantity": stock}})
    product = body(ORDER.model_copy(update={"lines": (line,)}))["products"][0]
    assert product["custom"] == {"stock_quantity": stock}
    assert "stock_quantity" not in product


def test_a_list_without_an_end_does_not_prove_that_an_order_is_absent() -> None:
    client = Endless("http://127.0.0.1:9", gate=Open(), headers={})
    target = Dropday("dropday", DropdayOptions.model_validate({"api_key": "k", "account_id": "a"}), client)
    with pytest.raises(Unavailable, match="no end after 1000 pages"):
        target.find("SO-7")
    client.close()


def test_the_source_is_the_configured_one_or_the_store_or_the_provider() -> None:
    of_a_store = ORDER.model_copy(update={"store": "shop-a"})
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
    assert sent_body(ORDER.model_copy(update={"test": ordered}), test=test)["test"] is is_test
