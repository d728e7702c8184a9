"""The fields by which an order in Dropday is compared with its source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.systems.view import digits, listing, money, names, number, place, text_of

if TYPE_CHECKING:
    from schemas.order import Order
    from worker.systems.view import Side, View


def order_view(order: Order, side: Side, *, placeholder: str | None) -> View:
    """Return the view of an order.

    Dropday keeps what was posted: the total as the source calculated it, and prices before discounts. It takes no
    changes. `placeholder` stands in the fields that Dropday requires and the order lacks.
    """
    to, customer, shipping = order.shipping_address, order.customer, order.shipping
    fields = {
        "total": money(order.grand_total),
        "shipping": money(order.totals.shipping),
        "goods": listing(f"{number(line.quantity)} x {text_of(line.sku)} {text_of(line.name)}" for line in order.lines),
        "prices": listing(f"{text_of(line.sku, line.name)} at {money(line.unit_price)}" for line in order.lines),
        **names(to if to.first_name or to.last_name or to.company else customer),
        "email": text_of(to.email or customer.email),
        "phone": digits(to.phone or customer.phone),
        "street": text_of(to.street1, to.street2),
        **place(to),
        "country": text_of(to.country),
        "promised_on": shipping.promised_on or "",
        "note": text_of(shipping.note or order.note) if side == "source" else text_of(shipping.note),
    }
    return {name: "" if text == placeholder else text for name, text in fields.items()}
