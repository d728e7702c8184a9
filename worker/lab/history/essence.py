"""What an order of each simulated system says, in the same few words: read from the simulation, not by our adapters."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, Final

from worker.systems.references import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    #: An order as the simulation holds it.
    Raw = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """An order by the key that both sides know it by, and what this side says of it."""

    key: str
    fields: dict[str, Any]


def amount(value: Any) -> Decimal:
    """A number of the simulation, whichever way it is written."""
    return Decimal(str(value or 0)).normalize()


def total(value: Any) -> Decimal:
    """A sum of money in whole cents: not every simulated system rounds it to them."""
    return amount(value).quantize(Decimal("0.01"), ROUND_HALF_UP)


def _pieces(quantities: Iterable[Any]) -> Decimal:
    return sum(map(amount, quantities), Decimal(0)).normalize()


def _said(text: str | None) -> str:
    """The demo's accounts write "-" for what the order does not say."""
    return "" if text in {None, "-"} else str(text)


def retailcrm(order: Raw) -> dict[str, Any]:
    """A cancelled item stays in the list and is not charged: nobody may ship it."""
    delivery = order.get("delivery") or {}
    address = delivery.get("address") or {}
    items = [item for item in order.get("items") or () if not item.get("isCanceled")]
    return {
        "total": total(order.get("totalSumm")),
        "shipping": amount(delivery.get("cost")),
        "lines": len(items),
        "pieces": _pieces(item["quantity"] for item in items),
        "city": _said(address.get("city")),
        "postcode": _said(address.get("index")),
    }


def dropday(order: Raw) -> dict[str, Any]:
    """`total` stands as it was posted."""
    address = order.get("shipping_address") or {}
    lines = order.get("order_lines") or ()
    return {
        "total": total(order.get("total")),
        "shipping": amount((order.get("shipping") or {}).get("cost")),
        "lines": len(lines),
        "pieces": _pieces(line["quantity"] for line in lines),
        "city": _said(address.get("city")),
        "postcode": _said(address.get("postcode")),
    }


def dropstream(order: Raw) -> dict[str, Any]:
    """It states no total."""
    address = order.get("shipping_address") or {}
    return {
        "shipping": amount(order.get("shipping_amount")),
        "lines": len(order["order_items"]),
        "pieces": _pieces(item["quantity"] for item in order["order_items"]),
        "city": _said(address.get("city")),
        "postcode": _said(address.get("postal_code")),
    }


def ordercloud(order: Raw) -> dict[str, Any]:
    """The address stands with the lines."""
    lines = order.get("LineItems") or ()
    address: Raw = next((line["ShippingAddress"] for line in lines if line.get("ShippingAddress")), {})
    return {
        "lines": len(lines),
        "pieces": _pieces(line["Quantity"] for line in lines),
        "city": _said(address.get("City")),
        "postcode": _said(address.get("Zip")),
    }


def dropboy(order: Raw) -> dict[str, Any]:
    """A transport has pieces of cargo, not lines."""
    to = order.get("destination") or {}
    return {"city": _said(to.get("city")), "postcode": _said(to.get("zipCode"))}


#: By system: what it says; the field that is the order's id in Intake; the reference that it knows our orders by.
_SYSTEMS: Final[dict[str, tuple[Callable[[Raw], dict[str, Any]], str, Callable[[Raw], Any]]]] = {
    "retailcrm": (retailcrm, "id", lambda order: order.get("externalId")),
    "dropstream": (dropstream, "id", lambda _: None),
    "dropboy": (dropboy, "id", lambda order: order.get("orderNumber")),
    "ordercloud": (ordercloud, "ID", lambda order: decode(order["ID"], "A-Za-z0-9-")),
    "dropday": (dropday, "reference", lambda order: order.get("external_id")),
}


def in_source(system: str, provider: str, orders: Iterable[Raw]) -> list[Seen]:
    """The orders of a source, by the order key that they have in Intake."""
    view, key, _ = _SYSTEMS[system]
    seen = [Seen(f"{provider}:{order[key]}", view(order)) for order in orders]
    if system == "dropday":
        # It has no word for a discount: a target that reckons for itself cannot arrive at such a total.
        for order in seen:
            del order.fields["total"]
    return seen


def in_target(system: str, orders: Iterable[Raw], provider: str | None = None) -> list[Seen]:
    """The orders of a target, by the reference that it knows them by: the order key, or the `provider`'s own id."""
    view, _, reference = _SYSTEMS[system]
    before = "" if provider is None else f"{provider}:"
    return [Seen(f"{before}{reference(order)}", view(order)) for order in orders]
