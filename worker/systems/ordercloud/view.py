"""The fields by which an order in OrderCloud is compared with its source."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from schemas.order import Status
from worker.systems.view import digits, lines_of, listing, money, names, number, place, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.order import Order
    from worker.systems.view import Side, View

#: The target rounds the discount of one piece to this.
_PIECE: Final = Decimal("0.0001")


def order_view(order: Order, side: Side, *, our_prices: bool, products: Mapping[str, str]) -> View:
    """Return the view of an order; `products` maps SKUs to the ids of products.

    OrderCloud knows lines by their products. It keeps the price of one piece after its discount only if we set the
    prices (`our_prices`), and calculates the total from them. An address without street, city, postal code and country
    is not sent.
    """
    to, customer = order.shipping_address, order.customer
    sent = side == "target" or bool(to.street1 or to.city or to.postal_code or to.country)
    receiver: Any = to if to.first_name or to.last_name or to.company or side == "target" else customer
    goods, prices = [], []
    for line in order.lines:
        product = (line.sku and products.get(line.sku, line.sku)) if side == "source" else line.product_id
        piece = line.unit_price
        if side == "source" and line.discount and line.quantity:
            piece -= (line.discount / line.quantity).quantize(_PIECE)
        goods.append(f"{number(line.quantity)} x {product}")
        prices.append(f"{product} at {number(piece)}")
    address = {
        **names(receiver),
        "company": text_of(receiver.company),
        "street": text_of(to.street1, to.street2),
        **place(to),
        "country": text_of(to.country),
        "phone": digits(to.phone or (customer.phone if side == "source" else None)),
    }
    cancelled = "yes" if order.status is Status.CANCELLED else ""
    return {
        "goods": listing(goods),
        "prices": listing(prices) if our_prices else "",
        "shipping": money(order.totals.shipping or Decimal(0)) if our_prices else "",
        **(address if sent else dict.fromkeys(address, "")),
        "note": lines_of(order.note, order.gift_message),
        "cancelled": cancelled if side == "source" else cancelled or "no",
    }
