"""What no field of an `Order` carries of an order of DropStream: it is kept as it was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from schemas.dropstream_order import Order as Sent
from schemas.reading import kept
from schemas.values import clean_deep
from worker.systems.dropstream.amounts import weight_in_kg

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas import dropstream_order as wire
    from schemas.order import Order
    from schemas.reading import Path

#: The key of `Order.custom` that holds what is only kept.
_KIND: Final = "dropstream"


def with_leftovers(ours: Order, raw: Mapping[str, Any], order: wire.Order, unread: tuple[Path, ...]) -> Order:
    """Return the order with what is kept, nested as it was sent. A line is named by its position among the items."""
    rest = kept(Sent, raw, unread)
    if order.shipping_tax_amount:  # part of the tax, which does not show it
        rest["shipping_tax_amount"] = raw["shipping_tax_amount"]
    if order.shipping_warehouse_code and order.fulfillment_warehouse_id:
        rest["fulfillment_warehouse_id"] = raw["fulfillment_warehouse_id"]
    for n, item in enumerate(order.order_items):
        if of_item := _of_item(item, _row(raw["order_items"], n)):
            rest.setdefault("order_items", {}).setdefault(str(n), {}).update(of_item)
    if _KIND in ours.custom:  # a key that the account chose for a field of its own
        rest.setdefault("custom", {})[_KIND] = ours.custom[_KIND]
    if not rest:
        return ours
    return ours.model_copy(update={"custom": {**ours.custom, _KIND: clean_deep(rest)}, "uncounted": (_KIND,)})


def _row(items: Any, n: int) -> Mapping[str, Any]:
    """Return an item as it was sent; the list may stand as an object."""
    row: Mapping[str, Any] = (list(items.values()) if isinstance(items, dict) else items)[n]
    return row


def _of_item(item: wire.Item, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an item that are read, and are not in its line."""
    names = ["id"] if item.external_order_item_id and item.id else []
    if item.weight is not None and weight_in_kg(item) is None:
        names += ["weight", "weight_uom"]
    if any(isinstance(value, dict | list) for option in item.options for value in option.values()):
        names.append("options")
    return {name: row[name] for name in names if row.get(name) is not None}
