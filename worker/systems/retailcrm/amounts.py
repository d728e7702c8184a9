"""The amounts of an order of RetailCRM: what each line costs, and what the customer pays."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from schemas.order import Totals
from worker.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from schemas import retailcrm_order as wire

_ZERO: Final = Decimal(0)
#: Half a cent: how far the stated discount of one piece may be from the exact one.
_HALF_A_CENT: Final = Decimal("0.005")


@dataclass(slots=True)
class Price:
    """The price of a line: per unit, and its discount, which may be wrong by up to `slack` because it was rounded."""

    unit: Decimal
    quantity: Decimal
    discount: Decimal
    slack: Decimal = _ZERO

    @property
    def total(self) -> Decimal:
        """The price of the whole line."""
        return self.unit * self.quantity - self.discount


def price_of(item: wire.Item, position: int) -> Price:
    """Return the price of a line. Its discount includes its share of the order's discounts.

    The final prices are exact to the cent. `discount_total` is rounded, and for one piece: that is not documented, but
    the vendor's own modules subtract it from the price of one piece. No discount is larger than the price. Raise
    Malformed for a line without any price.
    """
    quantity, unit = item.quantity, item.initial_price
    final = sum((price.price * price.quantity for price in item.prices), _ZERO)
    if not item.prices or sum(price.quantity for price in item.prices) != quantity:
        if unit is None:
            field = f"items[{position}].initialPrice"
            raise Malformed(f"order: {field}: missing", field)
        discount, slack = (item.discount_total or _ZERO) * quantity, _HALF_A_CENT * abs(quantity)
        return _capped(Price(unit, quantity, discount, slack if item.discount_total else _ZERO))
    if unit is None or final > unit * quantity > 0:  # a surcharge
        unit = max(price.price for price in item.prices)
    return _capped(Price(unit, quantity, unit * quantity - final))


def _capped(price: Price) -> Price:
    full = price.unit * price.quantity
    if full >= 0 and price.discount > full:
        price.discount = full
    return price


def totals_of(order: wire.Order, prices: Sequence[Price]) -> Totals:
    """Return the totals. Take a rounding difference between them and the lines out of the discounts of `prices`.

    The discounts of lines include those of the order, so there is no other discount. Two exceptions: an order of an
    account that did not spread its discounts (before version 6.0), and bonuses that paid a part of the order and stand
    in one of lines and total only. The customer pays what is left after the bonuses.
    """
    grand, shipping = order.total_summ, order.delivery.cost
    bonuses, manual = order.bonuses_charge_total or _ZERO, order.discount_manual_amount or _ZERO
    discount: Decimal | None = None
    if grand is not None:
        net = sum((price.total for price in prices), _ZERO) + (shipping or _ZERO)
        if bonuses > 0 and grand - net == bonuses:
            grand = net
        elif bonuses > 0 and net == grand and sum(price.discount for price in prices) < bonuses:
            discount, grand = bonuses, grand - bonuses
        elif net - grand in {part for part in (manual, bonuses, manual + bonuses) if part > 0}:
            discount = net - grand
        else:
            _settle(prices, net - grand)
    return Totals(items=order.summ, shipping=shipping, discount=discount, grand=grand)


def _settle(prices: Iterable[Price], excess: Decimal) -> None:
    """Add `excess` to the discounts that were rounded, as far as rounding can explain all of it."""
    rounded = [price for price in prices if price.slack]
    if abs(excess) > sum((price.slack for price in rounded), _ZERO):
        return
    for price in rounded:
        step = max(-min(price.slack, price.discount), min(price.slack, price.total, excess))
        price.discount += step
        excess -= step
