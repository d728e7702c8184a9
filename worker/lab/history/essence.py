"""The comparable fields of an order of each simulated system, read from the simulation and not by our adapters."""

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
class OrderEssence:
    """The comparable fields of an order on one side, with the key that both sides know."""

    key: str
    fields: dict[str, Any]


def amount(value: Any) -> Decimal:
    """Return a number of the simulation, in any notation, as a decimal."""
    return Decimal(str(value or 0)).normalize()


def total(value: Any) -> Decimal:
    """Return a sum of money in whole cents, because not every simulated system rounds."""
    return amount(value).quantize(Decimal("0.01"), ROUND_HALF_UP)


def _pieces(quantities: Iterable[Any]) -> Decimal:
    return sum(map(amount, quantities), Decimal(0)).normalize()


def _text(text: str | None) -> str:
    """Return a text, or "" for the placeholder "-" of the demo's accounts."""
    return "" if text in {None, "-"} else str(text)


def retailcrm(order: Raw) -> dict[str, Any]:
    """Return the fields of a RetailCRM order; a cancelled item stays in its list and must not be shipped."""
    delivery = order.get("delivery") or {}
    address = delivery.get("address") or {}
    items = [item for item in order.get("items") or () if not item.get("isCanceled")]
    return {
        "total": total(order.get("totalSumm")),
        "shipping": amount(delivery.get("cost")),
        "lines": len(items),
        "pieces": _pieces(item["quantity"] for item in items),
        "city": _text(address.get("city")),
        "postcode": _text(address.get("index")),
    }


def dropday(order: Raw) -> dict[str, Any]:
    """Return the fields of a Dropday order; its `total` is the posted one."""
    address = order.get("shipping_address") or {}
    lines = order.get("order_lines") or ()
    return {
        "total": total(order.get("total")),
        "shipping": amount((order.get("shipping") or {}).get("cost")),
        "lines": len(lines),
        "pieces": _pieces(line["quantity"] for line in lines),
        "city": _text(address.get("city")),
        "postcode": _text(address.get("postcode")),
    }


def dropstream(order: Raw) -> dict[str, Any]:
    """Return the fields of a DropStream order, which has no total."""
    address = order.get("shipping_address") or {}
    return {
        "shipping": amount(order.get("shipping_amount")),
        "lines": len(order["order_items"]),
        "pieces": _pieces(item["quantity"] for item in order["order_items"]),
        "city": _text(address.get("city")),
        "postcode": _text(address.get("postal_code")),
    }


def ordercloud(order: Raw) -> dict[str, Any]:
    """Return the fields of an OrderCloud order, whose lines contain the address."""
    lines = order.get("LineItems") or ()
    address: Raw = next((line["ShippingAddress"] for line in lines if line.get("ShippingAddress")), {})
    return {
        "lines": len(lines),
        "pieces": _pieces(line["Quantity"] for line in lines),
        "city": _text(address.get("City")),
        "postcode": _text(address.get("Zip")),
    }


def dropboy(order: Raw) -> dict[str, Any]:
    """Return the fields of a Dropboy transport, which has pieces of cargo and no lines."""
    destination = order.get("destination") or {}
    return {"city": _text(destination.get("city")), "postcode": _text(destination.get("zipCode"))}


#: By system: the function for the fields, the field with the external id, and the function for our reference.
_SYSTEMS: Final[dict[str, tuple[Callable[[Raw], dict[str, Any]], str, Callable[[Raw], Any]]]] = {
    "retailcrm": (retailcrm, "id", lambda order: order.get("externalId")),
    "dropstream": (dropstream, "id", lambda _: None),
    "dropboy": (dropboy, "id", lambda order: order.get("orderNumber")),
    "ordercloud": (ordercloud, "ID", lambda order: decode(order["ID"], "A-Za-z0-9-")),
    "dropday": (dropday, "reference", lambda order: order.get("external_id")),
}


def in_source(system: str, provider: str, orders: Iterable[Raw]) -> list[OrderEssence]:
    """Return the orders of a source by their order key in Intake."""
    fields, key, _ = _SYSTEMS[system]
    essences = [OrderEssence(f"{provider}:{order[key]}", fields(order)) for order in orders]
    if system == "dropday":
        # It has no field for a discount, so a target that computes totals cannot arrive at the same total.
        for essence in essences:
            del essence.fields["total"]
    return essences


def in_target(system: str, orders: Iterable[Raw], provider: str | None = None) -> list[OrderEssence]:
    """Return the orders of a target by our reference: the order key, or the external id of `provider`."""
    fields, _, reference = _SYSTEMS[system]
    prefix = "" if provider is None else f"{provider}:"
    return [OrderEssence(f"{prefix}{reference(order)}", fields(order)) for order in orders]
