"""The amounts and weights of DropStream."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from schemas.order import Totals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas import dropstream_order as wire

_ZERO: Final = Decimal(0)
#: Kilograms by unit of weight. The words that `weight_uom` may hold are not documented.
_KILOGRAMS: Final[Mapping[str, Decimal]] = {
    **dict.fromkeys(("kg", "kgs", "kilogram", "kilograms", "kilo", "kilos"), Decimal(1)),
    **dict.fromkeys(("g", "gr", "gram", "grams"), Decimal("0.001")),
    **dict.fromkeys(("lb", "lbs", "pound", "pounds"), Decimal("0.45359237")),
    **dict.fromkeys(("oz", "ozs", "ounce", "ounces"), Decimal("0.028349523125")),
}


def totals_of(order: wire.Order) -> Totals:
    """Return the amounts of the order, as stated, with the tax on the shipping.

    Whether `tax_amount` includes the tax on the shipping and on canceled items is not documented, so the numbers
    decide: if it is exactly the sum of the items' taxes and the tax on the shipping, it includes both; otherwise the
    tax on the shipping is added. Whether the other amounts of the order include canceled items is not known.
    """
    return Totals(shipping=order.shipping_amount, discount=order.discount_amount, tax=_tax(order))


def _tax(order: wire.Order) -> Decimal | None:
    charged, canceled = (
        sum((item.tax_amount or _ZERO for item in order.order_items if bool(item.canceled) is kind), _ZERO)
        for kind in (False, True)
    )
    stated, shipping = order.tax_amount, order.shipping_tax_amount or _ZERO
    if stated is None:  # the sum of what is stated
        return charged + shipping or None
    items = charged + canceled
    if items and stated in {items, items + shipping}:
        return charged + shipping
    return stated + (_ZERO if charged and stated == charged + shipping else shipping)


def weight_in_kg(item: wire.Item) -> Decimal | None:
    """Return the weight in kilograms; None if its unit is not known."""
    factor = _KILOGRAMS.get((item.weight_uom or "").strip().rstrip(".").casefold())
    return None if item.weight is None or factor is None else item.weight * factor
