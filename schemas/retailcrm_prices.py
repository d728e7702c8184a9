"""The amounts of an order as RetailCRM adds them up, so that the total that it shows is what the customer pays.

RetailCRM calculates the total: price by quantity, minus the discount of each piece and of the order, plus the delivery.
It has no field for fees, or for tax on top of the prices. They are lines of their own ("Fees", "Tax"): people see what
the customer pays for, and no price or delivery cost is another than at the source.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_UP, Context, Decimal
from typing import TYPE_CHECKING, Final

from schemas.minor_units import decimals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schemas.order import Line, Order

_CENT: Final = Decimal("0.01")
#: Digits enough for any amount, and for the sum of all lines.
_EXACT: Final = Context(prec=80)
_ZERO: Final = Decimal(0)


class AmountError(Exception):
    """The order cannot be written so that RetailCRM shows what the customer pays. The text names the difference."""


@dataclass(slots=True)
class LinePrice:
    """A line: its price in whole cents, and the discount of one piece where that is a whole number of cents."""

    unit: Decimal
    quantity: Decimal
    piece: Decimal

    @property
    def total(self) -> Decimal:
        """The price of the line, without its share of the order's discount."""
        return (self.unit - self.piece) * self.quantity


@dataclass(frozen=True, slots=True)
class Prices:
    """The amounts of an order in whole cents. `extras` are lines for what RetailCRM has no field for, by name."""

    lines: tuple[LinePrice, ...]
    shipping: Decimal | None
    discount: Decimal
    extras: Mapping[str, Decimal]


def prices_of(order: Order) -> Prices:
    """Return the amounts of an order. Their sum is its grand total to the cent. Raise AmountError if that cannot be.

    A price with a fraction of a cent is rounded up, and the difference becomes part of the discount of the order, as
    does the discount of a line that would be rounded for one piece. A sum that misses the grand total by up to the
    smallest unit of the currency for each line was rounded by the provider, and is corrected in the same way.
    """
    totals, grand = order.totals, _cents(order.grand_total)
    tax = _tax_on_top(order, grand)
    lines = tuple(_line(line, n) for n, line in enumerate(order.lines, 1))
    extras = {name: _up(amount) for name, amount in (("Fees", totals.fees), ("Tax", tax)) if amount and amount > 0}
    shipping = None if totals.shipping is None else _up(max(totals.shipping, _ZERO))
    goods = sum((line.total for line in lines), _ZERO) + sum(extras.values(), _ZERO)
    discount = _cents(goods + (shipping or _ZERO) - grand)
    if discount < 0:  # by rounding alone: see `_tax_on_top`
        goods += _raise_a_price(lines, -discount)
        discount = _cents(goods + (shipping or _ZERO) - grand)
    if discount < 0 or discount > max(goods, _ZERO):
        raise AmountError(
            f"the discount of the order, {discount}, is not between 0 and the price of its goods, {goods}"
        )
    return Prices(lines, shipping, discount, extras)


def _tax_on_top(order: Order, grand: Decimal) -> Decimal:
    """Return the tax that is not part of the prices: what is missing tells whether there is any."""
    totals = order.totals
    net = sum((line.subtotal for line in order.lines), _ZERO)
    net += (totals.shipping or _ZERO) + (totals.fees or _ZERO) - (totals.discount or _ZERO)
    taxes = dict.fromkeys((_ZERO, totals.tax or _ZERO, sum((line.tax or _ZERO for line in order.lines), _ZERO)))
    tax = min(taxes, key=lambda tax: abs(net + tax - grand))
    if abs(_cents(net + tax) - grand) > _unit(order.currency) * (len(order.lines) + 1):
        raise AmountError(
            f"lines, shipping, fees, tax and discount make {_cents(net + tax)}, but the customer pays {grand}: "
            f"the difference is {_cents(grand - net - tax)}"
        )
    return tax


def _line(line: Line, number: int) -> LinePrice:
    quantity = line.quantity
    unit = line.unit_price
    if line.discount < 0 and quantity > 0:  # a surcharge
        unit -= line.discount / quantity
    unit = _up(unit)
    off = unit * quantity - line.subtotal
    if unit < 0 or off > max(unit * quantity, _ZERO):
        raise AmountError(f"line {number} costs {_cents(line.subtotal)}, a negative amount")
    piece = (off / quantity).normalize() if quantity > 0 else _ZERO
    exact = piece == piece.quantize(_CENT, None, _EXACT) and piece * quantity == off
    return LinePrice(unit, quantity, piece if exact else _ZERO)


def _raise_a_price(lines: Iterable[LinePrice], missing: Decimal) -> Decimal:
    """Raise the price of a line by whole cents until nothing is missing. Return by how much the goods cost more."""
    line = min((line for line in lines if line.quantity > 0), key=lambda line: line.quantity, default=None)
    if line is None:
        return _ZERO
    step = _up(missing / line.quantity)
    line.unit += step
    return step * line.quantity


def _unit(currency: str | None) -> Decimal:
    """Return the unit to which a provider rounds: the smallest one of the currency, a cent at least."""
    return Decimal((0, (1,), -min(2, decimals(currency))))


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, ROUND_HALF_UP, _EXACT)


def _up(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, ROUND_CEILING, _EXACT)
