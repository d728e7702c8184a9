"""What an order of OrderCloud says that no field of `Order` shows: kept under the names that OrderCloud uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from schemas import ordercloud as wire
from schemas.reading import keep, kept

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from schemas.reading import Path

_KIND: Final = "ordercloud"
#: What a line says for itself, and an order shows for all of its lines or not at all.
_OF_THE_LINE: Final = (
    "BaseDiscount", "PromotionDiscount", "QuantityShipped", "DateNeeded", "ShippingAccount", "IncomingOrderID",
)  # fmt: skip


def custom_of(
    order: wire.Order, raw: Mapping[str, Any], unread: tuple[Path, ...], prices: Sequence[Decimal]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the custom fields of the order, and the keys of them that do not count as a change.

    The extended properties (`xp`) stay at the top. Everything else is kept under "ordercloud". `prices` are the unit
    prices of the lines as the order shows them.
    """
    rest = kept(wire.Order, raw, unread)
    if isinstance(rest.get("FromUser"), dict):
        rest["FromUser"].pop("Password", None)
    if order.from_user.id and order.from_user_id != order.from_user.id:
        keep(rest, order.from_user_id, "FromUserID")
    if order.date_submitted:
        keep(rest, raw.get("DateCreated"), "DateCreated")
    keep(rest, raw.get("ShipEstimateResponse"), "ShipEstimateResponse")
    lines = raw.get("LineItems") or []
    rows = list(lines.values()) if isinstance(lines, dict) else lines
    first = next((item.shipping_address for item in order.line_items if item.shipping_address), None)
    for n, (item, row, price) in enumerate(zip(order.line_items, rows, prices, strict=True)):
        if item.is_bundle:
            keep(rest, dict(row), "LineItems", n)
            continue
        _keep_line(rest, n, row, item)
        if item.unit_price not in {None, price}:
            keep(rest, item.unit_price, "LineItems", n, "UnitPrice")
        if item.shipping_address and item.shipping_address != first:
            keep(rest, row["ShippingAddress"], "LineItems", n, "ShippingAddress")
    if not rest:
        return order.xp, ()
    if _KIND in order.xp:  # the key is taken
        keep(rest, order.xp[_KIND], "xp", _KIND)
    return {**order.xp, _KIND: rest}, (_KIND,)


def _keep_line(rest: dict[str, Any], n: int, row: Mapping[str, Any], item: wire.LineItem) -> None:
    for name in _OF_THE_LINE:
        keep(rest, row.get(name) or None, "LineItems", n, name)
    for at, spec in enumerate(item.specs):
        shown = (spec.name or spec.spec_id) and (spec.value or spec.option_id)
        hidden = {
            "SpecID": spec.spec_id if spec.name or not shown else None,
            "Name": None if shown else spec.name,
            "OptionID": spec.option_id if spec.value or not shown else None,
            "Value": None if shown else spec.value,
        }
        for name, text in hidden.items():
            keep(rest, text, "LineItems", n, "Specs", at, name)
