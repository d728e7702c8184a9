"""RetailCRM's orders: every field of the full example is carried or kept, in every form in which PHP writes it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import simplejson

from schemas.order import Option, Status
from support.leaves import leaves, replaced
from worker.errors import Malformed
from worker.http.client import Answer, Client
from worker.http.gates import Open
from worker.systems.provider import Record
from worker.systems.retailcrm.provider import RetailCRM, RetailCRMOptions

if TYPE_CHECKING:
    from schemas.order import Order

FULL: Final = Path(__file__).parent.parent / "data" / "full" / "retailcrm.json"
RAW: Final = {"id": 7, "status": "new", "createdAt": "2024-04-02 11:14:02"}
MUG: Final = {"initialPrice": 10, "quantity": 3, "productName": "Mug"}
#: Fields whose meaning another field of the example has as well: the value alone changes nothing.
SAID_TWICE: Final = {
    ("items", 0, "prices", 0, "quantity"): "the other way to say the discount (`discountTotal`) is used then",
    ("items", 1, "prices", 0, "quantity"): "a cancelled line costs nothing",
}
LISTS: Final[dict[str, dict[str, Any]]] = {
    "statuses": {
        "statuses": {
            "wait": {"code": "wait", "group": "approval"},
            "3": {"group": "complete"},
            "delivered": {"code": "delivered", "group": "delivery"},
            "cart": {"code": "cart", "group": "cancel", "name": "Брошенная корзина"},
            "otmena": {"code": "otmena", "group": "cancel", "name": "Отмена"},
            "moon": {"code": "moon", "group": "space"},
        }
    },
    "product-statuses": {"productStatuses": {"otmena": {"cancelStatus": True}, "lost": {"cancelStatus": False}}},
    "payment-statuses": {"paymentStatuses": [{"code": "cleared", "paymentComplete": True}, {"code": "asked"}]},
}


class Lists(Client):
    """Serves reference data and nothing else; counts the calls."""

    def __init__(self, status: int) -> None:
        super().__init__("http://127.0.0.1:9", gate=Open(), headers={})
        self.status, self.calls = status, list[str]()

    def read(self, path: str, *_: Any, **__: Any) -> Answer:
        name = path.rpartition("/")[2]
        self.calls.append(name)
        body = simplejson.dumps({"success": self.status == 200, **LISTS[name]}).encode()
        return Answer(self.status, {}, body, f"GET {path}")


def account(status: int = 200, **options: Any) -> RetailCRM:
    given = {"api_key": "k", "time_zone": "Europe/Moscow", **options}
    return RetailCRM("shop", RetailCRMOptions.model_validate(given), Lists(status))


def calls(crm: RetailCRM) -> list[str]:
    client: Any = crm.client
    return list(client.calls)


def read(raw: dict[str, Any], crm: RetailCRM | None = None) -> Order:
    """Normalize an order, whose numbers are read as the client reads them."""
    document = simplejson.loads(simplejson.dumps({**RAW, **raw}), use_decimal=True)
    return (crm or account()).normalize(Record(document))


def full() -> dict[str, Any]:
    document: dict[str, Any] = simplejson.loads(FULL.read_text(), use_decimal=True)
    return document


def another(value: Any) -> Any:
    """Return a different value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, Decimal)):
        return value + 1
    if isinstance(value, str):
        last = "3" if value.endswith("2") else "2"
        return value[:-1] + last if value[:4].isdigit() or value[2:3] == ":" else f"{value}Z"
    return "something"


def test_every_field_of_the_full_example_is_carried_or_kept() -> None:
    crm, raw = account(), full()
    before = crm.normalize(Record(raw))
    lost = [path for path, value in leaves(raw) if crm.normalize(Record(replaced(raw, path, another(value)))) == before]
    assert lost == list(SAID_TWICE)


def test_the_full_example_is_carried_where_targets_use_it() -> None:
    order = read(full())
    to, shipping, customer, (payment,) = order.shipping_address, order.shipping, order.customer, order.payments
    assert order.adds_up
    assert order.grand_total == Decimal("23.75")
    assert ([line.id for line in order.lines], [line.id for line in order.cancelled_lines]) == (["501"], ["502"])
    assert (to.middle_name, to.phone, to.phone2) == ("Сергеевна", "+7 900 000-00-01", "+7 900 000-00-02")
    assert (customer.phone, customer.phone2, customer.tax_id) == ("+7 900 000-00-03", "+7 900 000-00-04", "7700000000")
    assert (shipping.promised_from, shipping.promised_until, shipping.promised_text) == (
        "10:00",
        "14:00",
        "после обеда",
    )
    assert (shipping.ship_on, shipping.tracking_number, shipping.insured_amount) == (
        "2026-03-04",
        "TRK1",
        Decimal("1.5"),
    )
    assert shipping.pickup_point is not None
    assert (shipping.pickup_point.id, shipping.pickup_point.hours) == ("pp1", "9-21")
    assert (payment.paid, payment.note) == (True, "онлайн")
    assert order.custom["retailcrm"]["marketplace"] == {"code": "mp", "orderId": "MP-1"}
    assert order.uncounted == ("retailcrm",)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("new", Status.NEW),
        ("prepayed", Status.PAID),
        ("cancel-other", Status.CANCELLED),
        ("abandoned-cart", Status.EXCLUDED),
        ("wait", Status.PROCESSING),
        ("3", Status.DELIVERED),
        ("delivered", Status.SHIPPED),
        ("otmena", Status.CANCELLED),
        ("cart", Status.EXCLUDED),
        ("moon", Status.UNKNOWN),
        ("nowhere", Status.UNKNOWN),
    ],
)
def test_a_status_is_understood_by_the_accounts_own_group(code: str, status: Status) -> None:
    assert read({"status": code}).status is status


def test_a_status_map_has_precedence_over_the_accounts_own_groups() -> None:
    crm = account(status_map={"otmena": "on_hold", "new": "processing"})
    assert [read({"status": code}, crm).status for code in ("otmena", "new")] == [Status.ON_HOLD, Status.PROCESSING]
    assert calls(crm) == []


def test_reference_data_is_read_for_a_code_that_is_not_known_and_only_then() -> None:
    crm = account()
    payments = {"1": {"id": 1, "status": "paid"}}
    read({"status": "new", "items": [{**MUG, "status": "new"}], "payments": payments}, crm)
    assert calls(crm) == []
    for code in ("wait", "wait", "nowhere", "nowhere", "moon"):
        read({"status": code}, crm)
    assert calls(crm) == ["statuses"] * 3
    for n in range(1000):
        read({"status": f"hostile-{n}"}, crm)
    assert len(calls(crm)) < 110


def test_a_key_that_may_not_read_the_reference_data_leaves_the_documented_codes() -> None:
    crm = account(403)
    order = read({"status": "wait", "items": [{**MUG, "status": "lost"}, {**MUG, "status": "otmena"}]}, crm)
    assert (order.status, len(order.lines), len(order.cancelled_lines)) == (Status.UNKNOWN, 1, 1)
    assert read({"status": "complete"}, crm).status is Status.DELIVERED


def test_a_line_is_cancelled_by_its_flag_or_by_a_status_of_the_account() -> None:
    items = [{**MUG, "status": "lost"}, {**MUG, "status": "otmena"}, {**MUG, "isCanceled": True, "initialPrice": None}]
    order = read({"items": items, "totalSumm": 30})
    assert (len(order.lines), len(order.cancelled_lines), order.adds_up) == (1, 2, True)


@pytest.mark.parametrize(
    ("payment", "paid"),
    [
        ({"status": "paid"}, True),
        ({"status": "cleared"}, True),
        ({"status": "not-paid"}, False),
        ({"status": "asked"}, False),
        ({"status": "not-paid", "paidAt": "2024-04-02 11:14:02"}, True),
        ({"status": "nobody-knows"}, None),
        ({}, None),
    ],
)
def test_a_payment_is_paid_by_its_time_or_by_a_status_that_completes_it(payment: dict[str, Any], paid: object) -> None:
    assert read({"payments": [{"id": 1, **payment}]}).payments[0].paid is paid


@pytest.mark.parametrize(
    ("time", "promise"),
    [
        ({"from": "9:00", "to": "18:00:00"}, ("09:00", "18:00", None)),
        ({"from": "13:00"}, ("13:00", None, None)),
        ({"custom": "after lunch"}, (None, None, "after lunch")),
        ({"from": "10:00", "to": "24:00", "custom": "ring"}, (None, None, "10:00-24:00, ring")),
        ({}, (None, None, None)),
        ([], (None, None, None)),
        (None, (None, None, None)),
        ("", (None, None, None)),
    ],
)
def test_the_promised_hours_are_read_in_all_forms(time: Any, promise: tuple[str | None, ...]) -> None:
    shipping = read({"delivery": {"time": time}}).shipping
    assert (shipping.promised_from, shipping.promised_until, shipping.promised_text) == promise


@pytest.mark.parametrize(
    ("properties", "options"),
    [
        ([{"code": "size", "name": "Size", "value": "XL"}], [("Size", "XL")]),
        ({"size": {"code": "size", "value": 5}}, [("size", "5")]),
        ({"size": "XL", "gift": True, "none": None, "blank": " "}, [("size", "XL"), ("gift", "yes")]),
        ([{"code": "a"}], []),
        (
            [{"name": "Engraving", "value": "Ada"}, {"name": "Engraving", "value": "Bob"}],
            [("Engraving", "Ada"), ("Engraving", "Bob")],
        ),
        ({"set": {"value": ["x"]}}, []),
    ],
)
def test_options_are_read_from_objects_and_lists(properties: Any, options: list[tuple[str, str]]) -> None:
    (line,) = read({"items": [{**MUG, "properties": properties}]}).lines
    assert line.options == tuple(Option(name=name, value=value) for name, value in options)


@pytest.mark.parametrize("fields", [["first", "second"], {"0": "first", "1": "second"}])
def test_custom_fields_may_be_a_list(fields: Any) -> None:
    assert read({"customFields": fields}).custom == {"0": "first", "1": "second"}


@pytest.mark.parametrize("payments", [[{"id": 1, "amount": 5}], {"1": {"id": 1, "amount": 5}}])
def test_payments_may_be_an_object_or_a_list(payments: Any) -> None:
    assert [(each.id, each.amount) for each in read({"payments": payments}).payments] == [("1", Decimal(5))]


@pytest.mark.parametrize(
    "detail",
    [
        {"delivery": {"date": "tomorrow"}},
        {"delivery": {"service": "door"}},
        {"delivery": {"time": 5}},
        {"delivery": {"data": "x"}},
        {"shipmentDate": "soon"},
        {"currency": "Points"},
        {"customer": "Ada"},
        {"company": 5},
        {"firstName": {"a": 1}},
        {"payments": {"1": {"id": 1, "paidAt": "yesterday"}}},
        {"items": [{**MUG, "comment": {"a": 1}}]},
        {"items": [{**MUG, "properties": "XL"}]},
    ],
)
def test_a_detail_that_cannot_be_read_is_kept_and_never_refuses_the_order(detail: dict[str, Any]) -> None:
    order = read(detail)
    assert order.external_id == "7"
    assert order.currency is None
    assert order.custom["retailcrm"]


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({"items": [{**MUG, "quantity": "many"}]}, "items[0].quantity"),
        ({"items": [{**MUG, "initialPrice": None}]}, "items[0].initialPrice"),
        ({"items": [MUG, {**MUG, "isCanceled": "perhaps"}]}, "items[1].isCanceled"),
        ({"items": [MUG, "Mug"]}, "items[1]"),
        ({"totalSumm": "lots"}, "totalSumm"),
        ({"delivery": {"cost": [1]}}, "delivery.cost"),
        ({"status": None}, "status"),
    ],
)
def test_an_amount_a_line_or_a_status_that_cannot_be_read_refuses_the_order(raw: dict[str, Any], field: str) -> None:
    with pytest.raises(Malformed) as caught:
        read(raw)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("raw", "discounts", "discount", "grand"),
    [
        ({"items": [{**MUG, "discountTotal": 2}], "totalSumm": 24}, [6], None, 24),
        # 10.00 off three pieces: stated as 3.33 for each.
        ({"items": [{**MUG, "discountTotal": 3.33}], "totalSumm": 20}, [10], None, 20),
        ({"items": [{**MUG, "discountTotal": 3.33}], "totalSumm": 19}, [9.99], None, 19),
        # More than the price.
        ({"items": [{**MUG, "quantity": 1, "discountTotal": 11}], "totalSumm": 0}, [10], None, 0),
        ({"items": [{**MUG, "quantity": 1, "prices": [{"price": -1, "quantity": 1}]}], "totalSumm": 0}, [10], None, 0),
        # A discount of the order that is not spread over its lines.
        ({"items": [MUG], "discountManualAmount": 5, "totalSumm": 25}, [0], 5, 25),
        # Bonuses: in lines and total, in one of them, in neither.
        ({"items": [{**MUG, "discountTotal": 1}], "bonusesChargeTotal": 3, "totalSumm": 27}, [3], None, 27),
        ({"items": [MUG], "bonusesChargeTotal": 3, "totalSumm": 27}, [0], 3, 27),
        ({"items": [{**MUG, "discountTotal": 1}], "bonusesChargeTotal": 3, "totalSumm": 30}, [3], None, 27),
        ({"items": [MUG], "bonusesChargeTotal": 3, "totalSumm": 30}, [0], 3, 27),
        ({"items": [MUG], "totalSumm": 29.979999999999997}, [0], None, 29.98),
        ({"items": [{**MUG, "initialPrice": "1 234,50"}], "totalSumm": "3703.50"}, [0], None, 3703.5),
    ],
)
def test_the_customer_pays_what_lines_and_discounts_make(
    raw: dict[str, Any], discounts: list[float], discount: int | None, grand: float
) -> None:
    order = read(raw)
    assert [line.discount for line in order.lines] == [Decimal(str(amount)) for amount in discounts]
    assert (order.totals.discount, order.grand_total) == (discount, Decimal(str(grand)))


def test_a_price_that_is_stated_for_the_pieces_only_is_read() -> None:
    prices = [{"price": 3.33, "quantity": 2}, {"price": 3.34, "quantity": 1}]
    (line,) = read({"items": [{**MUG, "initialPrice": None, "prices": prices}]}).lines
    assert (line.unit_price, line.subtotal) == (Decimal("3.34"), Decimal(10))


def test_a_company_has_the_names_of_its_contact_or_of_the_order() -> None:
    company = {"id": 1, "nickName": "Engines Ltd", "phones": []}
    contact = {"firstName": "Ada", "lastName": "Byron", "email": "ada@example.org"}
    order = read({"customer": company, "contact": contact, "firstName": "Bob", "phone": "+31"})
    assert (order.customer.last_name, order.customer.company, order.customer.email) == (
        "Byron",
        "Engines Ltd",
        "ada@example.org",
    )
    assert read({"customer": company, "firstName": "Bob"}).customer.first_name == "Bob"
    assert (order.shipping_address.first_name, order.customer.phone) == ("Bob", "+31")
