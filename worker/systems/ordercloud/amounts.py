"""The amounts of an order that is read from OrderCloud, so that lines, discounts and fees come to its total exactly."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING

from schemas.minor_units import decimals
from schemas.order import Totals
from worker.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from schemas import ordercloud as wire

_ZERO = Decimal(0)


@dataclass(frozen=True)
class LineAmounts:
    """The price of one piece, the price of the line before its discounts, and the price after them."""

    unit_price: Decimal
    subtotal: Decimal
    total: Decimal
    quantity: Decimal

    @property
    def discount(self) -> Decimal:
        """What is subtracted from the prices of the pieces."""
        return self.unit_price * self.quantity - self.total


def line_amounts(item: wire.LineItem, field: str, currency: str | None) -> LineAmounts:
    """Return the amounts of a line. Raise Malformed, naming `field`, if it has none.

    `LineSubtotal` counts: it is calculated from a price that `UnitPrice` shows rounded ("Working with specs"). If the
    price of one piece does not multiply to it, or is missing, the price is rounded up to the currency's smallest unit,
    and the difference is part of the discount: 3 x 0.04 - 0.02 for a line of 0.10.
    """
    off = (item.base_discount or _ZERO) + (item.promotion_discount or _ZERO)
    subtotal = item.line_subtotal
    if subtotal is None and item.unit_price is not None:
        subtotal = item.unit_price * item.quantity
    elif subtotal is None and item.line_total is not None:
        subtotal = item.line_total + off
    if subtotal is None:
        raise Malformed(f"order: {field}.UnitPrice: missing, as is LineSubtotal", f"{field}.UnitPrice")
    price = item.unit_price
    if price is None or price * item.quantity != subtotal:
        price = _piece(subtotal, item.quantity, currency) if item.quantity else price or _ZERO
    total = subtotal - off if item.line_total is None else item.line_total
    return LineAmounts(price, subtotal, total, item.quantity)


def totals(order: wire.Order, goods: Sequence[LineAmounts], bundles: Sequence[LineAmounts]) -> Totals:
    """Return the amounts of the order. `goods` are those of its lines, `bundles` those of lines that name a bundle.

    Total = Subtotal - BaseDiscount - PromotionDiscount + TaxCost + ShippingCost + Gratuity + Fees. `Subtotal` is the
    sum of all `LineSubtotal`, and the order's discounts include those of the lines, so the discount of the whole order
    is what is left of them. What a bundle costs on top of its parts counts as a fee, because it is no goods.
    """
    if order.subtotal == _sum(line.subtotal for line in goods):
        bundles = ()
    lines = (*goods, *bundles)
    subtotal = _sum(line.subtotal for line in lines) if order.subtotal is None else order.subtotal
    base, promotion = order.base_discount, order.promotion_discount
    if base is None:
        base = _sum(item.base_discount for item in order.line_items)
    if promotion is None:
        promotion = _sum(item.promotion_discount for item in order.line_items)
    return Totals(
        items=order.subtotal,
        shipping=order.shipping_cost,
        discount=_sum(line.total for line in lines) - (subtotal - base - promotion),
        tax=order.tax_cost,
        fees=_sum((order.fees, order.gratuity, *(line.total for line in bundles))),
        grand=order.total,
    )


def _piece(subtotal: Decimal, quantity: Decimal, currency: str | None) -> Decimal:
    finest = max(decimals(currency), -int(subtotal.as_tuple().exponent))
    return (subtotal / quantity).quantize(Decimal(1).scaleb(-finest), ROUND_CEILING)


def _sum(amounts: Iterable[Decimal | None]) -> Decimal:
    return sum((amount for amount in amounts if amount), _ZERO)
