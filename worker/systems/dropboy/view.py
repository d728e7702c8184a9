"""The fields by which a transport job in Dropboy is compared with the order that it carries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from worker.systems.view import text_of

if TYPE_CHECKING:
    from schemas.order import Order
    from worker.systems.view import View


def order_view(order: Order) -> View:
    """Return the view of an order, the same for both sides.

    Dropboy carries one piece to a place: cargo has no prices, and phones and notes are written in a form of its own.
    """
    to, customer = order.shipping_address, order.customer
    receiver: Any = to if to.first_name or to.last_name or to.company else customer
    return {
        "name": " ".join(text_of(receiver.first_name, receiver.last_name).replace(",", " ").split()),
        "company": text_of(receiver.company),
        "email": text_of(to.email or customer.email),
        "street": text_of(to.street1, to.street2),
        "postal_code": text_of(to.postal_code),
        "city": text_of(to.city),
    }
