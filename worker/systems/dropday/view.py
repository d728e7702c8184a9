"""The fields by which an order in Dropday is compared with its source."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from schemas.countries import country_code
from schemas.dropday_request import shipping_of, total_of
from schemas.receiver import given_names, receiver_of
from schemas.remarks import is_email
from worker.systems.view import digits, lines_of, listing, money, number, place, text_of

if TYPE_CHECKING:
    from schemas.order import Order
    from worker.systems.view import Side, View


def order_view(order: Order, side: Side, *, placeholder: str | None) -> View:
    """Return the view of an order.

    Dropday keeps what was posted: the total that the customer pays, and prices before discounts. It takes no changes.
    `placeholder` stands in the fields that Dropday requires and the order lacks.
    """
    to, shipping = order.shipping_address, order.shipping
    lines = [line for line in order.lines if line.quantity]
    # The source is compared in the form in which it was sent, the target in the form in which it was read.
    sent = shipping_of(order) if side == "source" else None
    receiver = receiver_of(order, named=side == "source")
    fields = {
        "total": money(total_of(order)),
        "shipping": money(order.totals.shipping or Decimal(0)),
        "goods": listing(f"{number(line.quantity)} x {text_of(line.sku)} {text_of(line.name)}" for line in lines),
        "prices": listing(f"{text_of(line.sku, line.name)} at {money(line.unit_price)}" for line in lines),
        "first_name": text_of(given_names(receiver)),
        "last_name": text_of(receiver.last_name),
        "email": text_of(receiver.email if is_email(receiver.email) else None),
        "phone": digits(receiver.phone),
        "street": text_of(to.street1, to.street2),
        **place(to),
        "country": (country_code(to.country or "") or "") if sent else text_of(to.country),
        "carrier": text_of(sent.name if sent else shipping.method),
        "method": text_of(sent.description if sent else shipping.description),
        "promised_on": shipping.promised_on or "",
        "note": lines_of(sent.note if sent else shipping.note),
    }
    return {name: "" if text == placeholder else text for name, text in fields.items()}
