"""The fields by which an order in RetailCRM is compared with its source."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from schemas.countries import country_code
from schemas.order import Status
from worker.systems.view import digits, lines_of, listing, money, names, number, place, text_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from schemas.order import Order
    from worker.systems.view import Side, View


def order_view(order: Order, side: Side, *, mapped: Collection[Status]) -> View:
    """Return the view of an order; `mapped` are the statuses for which the target has a code.

    RetailCRM calculates the total itself: it has no field for fees or for tax on top. It knows lines by their names.
    Street and company are one text; a country is a code. A cancelled order that stays open there may still be charged
    or shipped, so it has to be cancelled there, if `mapped` has the status.
    """
    to, customer, totals = order.shipping_address, order.customer, order.totals
    code = country_code(to.country) if to.country else None
    net = sum((line.subtotal for line in order.lines), Decimal(0)) + (totals.shipping or 0) - (totals.discount or 0)
    cancelled = order.status is Status.CANCELLED
    if side == "source":
        street = text_of(to.company, to.street1, to.street2, None if code else to.country)
        cancels = "yes" if cancelled and Status.CANCELLED in mapped else ""
    else:
        street, cancels = text_of(to.street1, to.street2), "yes" if cancelled else "no"
    return {
        "total": money(net if side == "source" or totals.grand is None else totals.grand),
        "shipping": money(totals.shipping or Decimal(0)),
        "goods": listing(f"{number(line.quantity)} x {text_of(line.name)}" for line in order.lines),
        "prices": listing(f"{text_of(line.name)} at {money(line.unit_price)}" for line in order.lines),
        **names(to if to.first_name or to.last_name else customer),
        "email": text_of(to.email or customer.email),
        "phone": digits(to.phone or customer.phone),
        "street": street,
        **place(to),
        "country": code or "",
        "promised_on": order.shipping.promised_on or "",
        "note": lines_of(order.note, order.gift_message),
        "cancelled": cancels,
    }
