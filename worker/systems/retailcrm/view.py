"""The fields by which an order in RetailCRM is compared with its source."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from schemas.countries import country_code
from schemas.order import Status
from schemas.receiver import receiver_of
from schemas.retailcrm_prices import AmountError, prices_of
from schemas.retailcrm_texts import customer_comment
from worker.systems.view import digits, lines_of, listing, money, names, number, place, text_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from schemas.order import Order
    from worker.systems.view import Side, View


def order_view(order: Order, side: Side, *, mapped: Collection[Status]) -> View:
    """Return the view of an order; `mapped` are the statuses for which the target has a code.

    RetailCRM calculates the total itself, with lines for fees and for tax on top. It knows lines by their names. Street
    and company are one text; a country is a code. A cancelled order that stays open there may still be charged or
    shipped, so it has to be cancelled there, if `mapped` has the status.
    """
    cancelled, totals = order.status is Status.CANCELLED, order.totals
    source = side == "source"
    to = receiver_of(order)
    code = country_code(to.country) if to.country else None
    if source:
        street = text_of(to.company, to.street1, to.street2, None if code else to.country)
        cancels = "yes" if cancelled and Status.CANCELLED in mapped else ""
        comment = customer_comment(order)
    else:
        street, cancels, comment = text_of(to.street1, to.street2), "yes" if cancelled else "no", order.note
    shipping = order.shipping
    goods, prices = _lines(order, source=source)
    return {
        "total": money(order.grand_total),
        "shipping": money(totals.shipping or Decimal(0)),
        "goods": listing(goods),
        "prices": listing(prices),
        **names(to),
        "middle_name": text_of(to.middle_name),
        "email": text_of(to.email),
        "phone": digits(to.phone),
        "phone2": digits(to.phone2),
        "street": street,
        **place(to),
        "country": code or "",
        "promised_on": shipping.promised_on or "",
        "hours": text_of(shipping.promised_from, shipping.promised_until, shipping.promised_text),
        "ship_on": shipping.ship_on or "",
        "note": lines_of(comment),
        "cancelled": cancels,
    }


def _lines(order: Order, *, source: bool) -> tuple[list[str], list[str]]:
    """Return the quantities and the prices of the lines; of a source, as they are written."""
    goods = [f"{number(line.quantity)} x {text_of(line.name)}" for line in order.lines]
    units, extras = [line.unit_price for line in order.lines], {}
    if source:
        try:
            prices = prices_of(order)
        except AmountError:  # it is held, so the target does not have it
            pass
        else:
            units, extras = [line.unit for line in prices.lines], dict(prices.extras)
    goods += [f"1 x {name}" for name in extras]
    costs = [f"{text_of(line.name)} at {money(unit)}" for line, unit in zip(order.lines, units, strict=True)]
    return goods, costs + [f"{name} at {money(amount)}" for name, amount in extras.items()]
