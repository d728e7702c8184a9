"""The amounts that make OrderCloud show the grand total of an order: line prices, shipping, tax and gratuity.

OrderCloud calculates: Total = lines + ShippingCost + TaxCost + Gratuity. A discount has no field that can be written
(promotions must be set up in the marketplace, one for each amount), so it lowers the prices of the lines. Prices are in
whole smallest units of the currency: where a line cannot be divided, it becomes two lines (3 x 9.67 for 29.00 would be
29.01, so it is 1 x 9.66 and 2 x 9.67). Fees are sent as gratuity, the only other amount that adds to the total.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal, localcontext
from typing import TYPE_CHECKING, Final

from schemas.minor_units import decimals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.order import Line, Order

_ZERO: Final = Decimal(0)
#: Digits that hold the product of any two amounts exactly.
_PRECISION: Final = 80


@dataclass(frozen=True, slots=True)
class Piece:
    """A line of OrderCloud: some or all pieces of a line of the order, at one price; None: at the price that it has."""

    quantity: int
    unit_price: Decimal | None


@dataclass(frozen=True, slots=True)
class Amounts:
    """The amounts to write. `lines` are one or two pieces for each line of the order."""

    lines: tuple[tuple[Piece, ...], ...]
    shipping: Decimal
    tax: Decimal
    gratuity: Decimal

    @property
    def total(self) -> Decimal:
        """The total that OrderCloud calculates."""
        goods = sum((piece.quantity * (piece.unit_price or _ZERO) for line in self.lines for piece in line), _ZERO)
        return goods + self.shipping + self.tax + self.gratuity


class NoSuchTotal(ValueError):
    """Raised for amounts that do not come to the grand total, or to a negative one. The message names the amounts."""


def amounts_of(order: Order) -> Amounts:
    """Return the amounts of an order with whole quantities. Raise NoSuchTotal."""
    with localcontext(prec=_PRECISION):
        return _amounts(order)


def _amounts(order: Order) -> Amounts:
    totals, unit = order.totals, Decimal(1).scaleb(-decimals(order.currency))
    payable = _payable(order, unit)
    nets = _nets(order, payable, unit)
    tax = _tax(order, nets, unit)
    if payable < 0:
        raise NoSuchTotal(f"the grand total is {payable}: OrderCloud has no negative prices")
    shipping, tax, gratuity = (max(amount or _ZERO, _ZERO) for amount in (totals.shipping, tax, totals.fees))
    # A discount above the price of the goods lowers the fees, then the shipping cost, then the tax.
    goods = payable - shipping - tax - gratuity
    gratuity, goods = _lowered(gratuity, goods)
    shipping, goods = _lowered(shipping, goods)
    tax, goods = _lowered(tax, goods)
    spread = _spread([max(net, _ZERO) for net in nets], goods, unit)
    lines = tuple(_pieces(line, net, unit) for line, net in zip(order.lines, spread, strict=True))
    return Amounts(lines, shipping, tax, gratuity)


def _nets(order: Order, payable: Decimal, unit: Decimal) -> list[Decimal]:
    """Return the prices of the lines after their discounts.

    Where no line has a price, such as in a transport job, what is left of the grand total is the price of the goods: it
    is spread over the pieces.
    """
    nets, totals = [line.subtotal for line in order.lines], order.totals
    others = sum(
        (amount or _ZERO for amount in (totals.shipping, totals.fees, totals.tax)), -(totals.discount or _ZERO)
    )
    goods, pieces = payable - others, sum((line.quantity for line in order.lines), _ZERO)
    if any(nets) or goods <= 0 or not pieces:
        return nets
    nets = [(goods / pieces).quantize(unit, ROUND_FLOOR) * line.quantity for line in order.lines]
    return [nets[0] + goods - sum(nets, _ZERO), *nets[1:]]


def _payable(order: Order, unit: Decimal) -> Decimal:
    """Return the grand total as stated, or as calculated and rounded."""
    return order.grand_total if order.totals.grand is not None else order.grand_total.quantize(unit, ROUND_HALF_UP)


def _tax(order: Order, nets: Sequence[Decimal], unit: Decimal) -> Decimal:
    """Return the tax that comes on top of the prices. Raise NoSuchTotal if neither reading comes to the grand total.

    A line that costs less than nothing counts as stated or as free, because systems differ in that.
    """
    totals, payable = order.totals, _payable(order, unit)
    stated = [totals.shipping or _ZERO, totals.fees or _ZERO, -(totals.discount or _ZERO)]
    tax = totals.tax or _ZERO
    below = sum((-net for net in nets if net < 0), _ZERO)
    sums = [sum(nets, _ZERO) + sum(stated, _ZERO)]
    sums += [sums[0] + below] if below else []
    # What is finer than the smallest unit was rounded by the system that calculated the total.
    finer = sum(1 for amount in (*nets, *stated, tax) if amount != amount.quantize(unit))
    for tolerance in (_ZERO, finer * unit / 2):
        for on_top in (tax, _ZERO):
            if any(abs(each + on_top - payable) <= tolerance for each in sums):
                return on_top
    with_tax = f", or {sums[0] + tax:f} with the tax" if tax else ""
    nearest = min((payable - each - on_top for each in sums for on_top in (tax, _ZERO)), key=abs)
    raise NoSuchTotal(
        f"lines, shipping, fees and discount come to {sums[0]:f}{with_tax}, "
        f"and the grand total is {payable:f}: a difference of {nearest:f}"
    )


def _lowered(amount: Decimal, goods: Decimal) -> tuple[Decimal, Decimal]:
    """Return the amount lowered by what the goods are below zero, and the goods raised by as much."""
    part = min(amount, max(-goods, _ZERO))
    return amount - part, goods + part


def _spread(nets: Sequence[Decimal], goods: Decimal, unit: Decimal) -> list[Decimal]:
    """Return the prices of the lines, lowered in proportion to them so that they come to `goods`."""
    whole = sum(nets, _ZERO)
    off = (whole - goods).quantize(unit, ROUND_FLOOR) if whole > goods else _ZERO
    shares = [(off * net / whole).quantize(unit, ROUND_FLOOR) if off else _ZERO for net in nets]
    left = off - sum(shares, _ZERO)
    by_price = sorted(range(len(nets)), key=lambda n: nets[n], reverse=True)
    for n in by_price:
        part = min(left, max(nets[n] - shares[n], _ZERO), unit)
        shares[n], left = shares[n] + part, left - part
    spread = [net - share for net, share in zip(nets, shares, strict=True)]
    # What is left is finer than the smallest unit: lines that are finer as well take it first.
    rest = goods - sum(spread, _ZERO)
    for n in sorted(by_price, key=lambda n: nets[n] == nets[n].quantize(unit)):
        part = max(rest, -spread[n])
        spread[n], rest = spread[n] + part, rest - part
    return spread


def _pieces(line: Line, net: Decimal, unit: Decimal) -> tuple[Piece, ...]:
    """Return one line, or two with prices that differ by the smallest unit, that come to `net`."""
    quantity = int(line.quantity)
    if line.unit_price >= 0 and line.unit_price * quantity == net:
        return (Piece(quantity, line.unit_price),)
    step = min(unit, Decimal(1).scaleb(int(net.normalize().as_tuple().exponent)))
    price = (net / quantity).quantize(step, ROUND_FLOOR)
    dearer = int((net - price * quantity) / step)
    pieces = (Piece(quantity - dearer, price), Piece(dearer, price + step))
    return tuple(piece for piece in pieces if piece.quantity)
