"""What an order says in the few words that every system has, each as a text that two systems write alike."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    #: An order as the system stores it.
    Raw = Mapping[str, Any]
    #: By field; a field that this order or its system does not have is left out.
    Essence = dict[str, str]

#: What accounts write where nothing was said.
_NOTHING: Final = frozenset({"", "-"})


def _fields(address: Raw, first: str, last: str, city: str, postcode: str) -> Essence:
    said = {"name": " ".join(_said(address.get(part)) for part in (first, last)).strip()}
    return said | {"city": _said(address.get(city)), "postcode": _said(address.get(postcode))}


def _said(value: Any) -> str:
    return "" if value is None or value in _NOTHING else str(value).strip()


def _number(value: Any) -> str:
    return format(Decimal(str(value or 0)).normalize(), "f")


def _cents(value: Any) -> str:
    return str(Decimal(str(value or 0)).quantize(Decimal("0.01"), ROUND_HALF_UP))


def _goods(lines: Iterable[tuple[Any, Any]]) -> Essence:
    """The lines as `name x quantity`, sorted, and the pieces of all; a line without a quantity has no pieces."""
    known = [(_said(name), _number(many)) for name, many in lines]
    pieces = sum((Decimal(many) for _, many in known), Decimal(0))
    return {"lines": "\n".join(sorted(f"{name} x {many}" for name, many in known)), "pieces": _number(pieces)}


def retailcrm(order: Raw) -> Essence:
    """A cancelled item stays in the list and is not charged."""
    delivery = order.get("delivery") or {}
    address = delivery.get("address") or {}
    items = [item for item in order.get("items") or () if not item.get("isCanceled")]
    said = {
        **_fields({**order, **address}, "firstName", "lastName", "city", "index"),
        "total": _cents(order.get("totalSumm")),
        "shipping": _number(delivery.get("cost")),
        **_goods(((item.get("offer") or {}).get("name"), item.get("quantity")) for item in items),
    }
    return said | ({"currency": str(order["currency"])} if order.get("currency") else {})


def dropday(order: Raw) -> Essence:
    """As it was posted; it knows no currency."""
    shipping = order.get("shipping") or {}
    return {
        **_fields(order.get("shipping_address") or {}, "first_name", "last_name", "city", "postcode"),
        "total": _cents(order.get("total")),
        "shipping": _number(shipping.get("cost", order.get("shipping_cost"))),
        **_goods((one.get("name"), one.get("quantity")) for one in order.get("products") or ()),
    }


def dropstream(order: Raw) -> Essence:
    """It states no total."""
    said = {
        **_fields(order.get("shipping_address") or {}, "first_name", "last_name", "city", "postal_code"),
        "shipping": _number(order.get("shipping_amount")),
        **_goods((item.get("name"), item.get("quantity")) for item in order.get("order_items") or ()),
    }
    return said | ({"currency": str(order["currency_code"])} if order.get("currency_code") else {})


def ordercloud(order: Raw) -> Essence:
    """Who it goes to stands with the lines, which name a product of the catalogue."""
    lines = order.get("LineItems") or ()
    address: Raw = next((line["ShippingAddress"] for line in lines if line.get("ShippingAddress")), {})
    said = {
        **_fields(address, "FirstName", "LastName", "City", "Zip"),
        "pieces": _goods((None, line["Quantity"]) for line in lines)["pieces"],
    }
    return said | ({"currency": str(order["Currency"])} if order.get("Currency") else {})


def dropboy(order: Raw) -> Essence:
    """A transport has pieces of cargo, no goods; whom it goes to stands in one field."""
    said = _fields(order.get("destination") or {}, "attention", "", "city", "zipCode")
    return said | {"name": said["name"].removesuffix(" -")}


#: What the journal asks for, by system.
OF: Final[dict[str, Callable[[Raw], Essence]]] = {
    "retailcrm": retailcrm,
    "dropday": dropday,
    "dropstream": dropstream,
    "ordercloud": ordercloud,
    "dropboy": dropboy,
}
