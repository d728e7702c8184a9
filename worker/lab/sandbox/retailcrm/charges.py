"""What an order of RetailCRM costs, by its own rules: the prices of its lines, `summ` and `totalSumm`.

The discount of the order is spread over the pieces ("Working with discounts and rounding"), to the cent.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any, Final

_CENT: Final = Decimal("0.01")
_ZERO: Final = Decimal(0)


def charge(order: dict[str, Any]) -> None:
    """Set what the lines and the order cost. A cancelled line costs nothing."""
    items = [item for item in order["items"] if not item.get("isCanceled")]
    nets = [(_decimal(item["initialPrice"]) - _own_discount(item)) * _decimal(item["quantity"]) for item in items]
    goods, discount = sum(nets, _ZERO), _decimal(order.get("discountManualAmount"))
    shares = [(discount * net / goods).quantize(_CENT, ROUND_DOWN) if goods else _ZERO for net in nets]
    if shares:
        # What is left after rounding is taken off the dearest line, so that no free line costs less than nothing.
        shares[nets.index(max(nets))] += discount - sum(shares, _ZERO)
    for item, net, share in zip(items, nets, shares, strict=True):
        _price(item, net - share)
    total = goods - sum(shares, _ZERO)
    summ = sum((_decimal(item["initialPrice"]) * _decimal(item["quantity"]) for item in items), _ZERO)
    cost = _decimal((order.get("delivery") or {}).get("cost"))
    order["summ"], order["totalSumm"] = (
        _number(amount.quantize(_CENT, ROUND_HALF_UP)) for amount in (summ, total + cost)
    )


def _own_discount(item: dict[str, Any]) -> Decimal:
    """Return the discount of one piece that was set for the line itself."""
    percent = _decimal(item.get("discountManualPercent")) / 100
    return _decimal(item.get("discountManualAmount")) + _decimal(item["initialPrice"]) * percent


def _price(item: dict[str, Any], total: Decimal) -> None:
    """Set the prices of the pieces of a line, which together cost `total`: some cost a cent more than the others."""
    quantity, initial = _decimal(item["quantity"]), _decimal(item["initialPrice"])
    if not quantity:
        return
    each = total / quantity
    low = each.quantize(_CENT, ROUND_DOWN)
    odd = (total - low * quantity) / _CENT
    if quantity == quantity.to_integral_value() and odd == odd.to_integral_value() and 0 < odd < quantity:
        rows = [(low, quantity - odd), (low + _CENT, odd)]
    else:
        rows = [(each, quantity)]
    item["prices"] = [{"price": _number(price), "quantity": _number(pieces)} for price, pieces in rows]
    item["discountTotal"] = _number((initial - each).quantize(_CENT, ROUND_HALF_UP))


def _decimal(value: Any) -> Decimal:
    return Decimal(str(value or 0))


def _number(amount: Decimal) -> float:
    """Return an amount as PHP writes it: an int if it is whole, else a float."""
    rounded = float(round(amount, 6))
    return int(rounded) if rounded == int(rounded) else rounded
