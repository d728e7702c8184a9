"""The simulated OrderCloud as a target: orders to create, and the orders that it stores."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from schemas.order import Order
from support.sandbox import Sandbox
from worker.errors import RetryableError, SnoozeError
from worker.http.client import Client
from worker.http.gates import Open
from worker.systems.ordercloud.target import OrderCloud, OrderCloudOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from worker.systems.target import Receipt

Json = dict[str, Any]
REFERENCES = (f"shop_3A{number}" for number in itertools.count(1))
ACCOUNTS = [
    "ordercloud:main:currency=EUR:products=mug+tea+pot",
    "ordercloud:other:currency=EUR:products=mug+tea:product=seller:shipto=lines:put_create=201:approval=yes:conflict=Taken:oauth_refusal=401",
    "ordercloud:dollars",
    "ordercloud:reader:roles=OrderReader",
    "ordercloud:short:currency=:token_uses=3",
    "ordercloud:final:cancel_open=no",
]
OPTIONS: Json = {
    "client_id": Sandbox.ACCOUNT_ID,
    "client_secret": Sandbox.KEY,
    "buyer_id": "web",
    "user_id": "web-shop",
    "product_map": {"MUG": "mug", "TEA": "tea", "POT": "pot"},
}
MUG: Json = {"id": "a", "sku": "MUG", "name": "Mug", "quantity": "2", "unit_price": "9.95", "discount": "1.00"}
TEA: Json = {"id": "b", "sku": "TEA", "name": "Tea", "quantity": "1", "unit_price": "26.5333"}
POT: Json = {"id": "c", "sku": "POT", "name": "Pot", "quantity": "1", "unit_price": "40"}
DELFT: Json = {"first_name": "Ada", "street1": "Oude Delft 12", "city": "Delft", "country": "NL", "postal_code": "2611"}


@contextmanager
def simulated_ordercloud() -> Iterator[Sandbox]:
    with Sandbox(accounts=ACCOUNTS, systems="ordercloud") as box:
        yield box


@contextmanager
def target_factory(box: Sandbox) -> Iterator[Callable[..., OrderCloud]]:
    """Yield a function that makes targets of an account with OPTIONS and further options; clear faults at the end."""
    clients: list[Client] = []

    def make(account: str = "main", **options: Any) -> OrderCloud:
        clients.append(Client(box.url("ordercloud", account), gate=Open(), headers={}))
        return OrderCloud(account, OrderCloudOptions.model_validate(OPTIONS | options), clients[-1])

    yield make
    box.clear_faults()
    for client in clients:
        client.close()


def cloud_order(**fields: Any) -> Order:
    base: Json = {
        "provider": "shop",
        "external_id": "1",
        "status": "paid",
        "ordered_at": "2026-01-02T03:04:05Z",
        "currency": "EUR",
        "lines": [MUG, TEA],
        "totals": {"shipping": "4.95", "tax": "9.03"},
        "shipping_address": DELFT,
        "billing_address": {**DELFT, "street1": "Postbus 5"},
        "note": "Ring twice",
    }
    return Order.model_validate(base | fields)


def stored_order(box: Sandbox, reference: str, account: str = "main") -> Json:
    """Return the only order that the system stores under this id."""
    [stored] = [order for order in box.orders("ordercloud", account) if order["ID"] == reference]
    return stored


def submitted(box: Sandbox, reference: str) -> int:
    return len(box.journal(kind="effect", did="created", reference=reference))


def assert_same_order(stored: Json, order: Order) -> None:
    """Compare each field that the system stores with the order. A line of the order may be two in the system."""
    lines: dict[tuple[str, str], int] = {}
    for line in stored["LineItems"]:
        key = line["xp"]["Intake"]["Key"], line["ProductID"]
        lines[key] = lines.get(key, 0) + line["Quantity"]
    assert lines == {(line.id, (line.sku or "").lower()): line.quantity for line in order.lines}
    assert {line["ShippingAddress"]["Street1"] for line in stored["LineItems"]} == {order.shipping_address.street1}
    assert order.billing_address is not None
    assert stored["BillingAddress"]["Street1"] == order.billing_address.street1
    assert stored["Comments"] == order.note
    assert Decimal(str(stored["Total"])) == round(order.grand_total, 2)
    assert (stored["FromCompanyID"], stored["FromUser"]["ID"]) == ("web", "web-shop")


def create_with_retries(make: Callable[[], OrderCloud], order: Order, reference: str) -> Receipt:
    """Create the order as the core does: look it up first after an uncertain response. Every try has a new target."""
    uncertain = False
    for _ in range(30):
        target = make()
        try:
            return (target.find(reference) if uncertain else None) or target.create(order, reference)
        except SnoozeError as error:
            uncertain = error.uncertain
        except RetryableError as error:
            uncertain = error.code == "uncertain"
    raise AssertionError("the order was not created in 30 tries")
