"""The essence of an order: the few fields that every system has, as text that is equal across systems."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    #: An order as the system stores it.
    Raw = Mapping[str, Any]
    #: Text by field; a field that the order or its system does not have is left out.
    Essence = dict[str, str]

#: What systems store in place of a missing value.
_BLANKS: Final = frozenset({"", "-"})


def _address(address: Raw, first: str, last: str, city: str, postcode: str) -> Essence:
    name = " ".join(_text(address.get(field)) for field in (first, last)).strip()
    return {"name": name, "city": _text(address.get(city)), "postcode": _text(address.get(postcode))}


def _text(value: Any) -> str:
    return "" if value is None or value in _BLANKS else str(value).strip()


def _number(value: Any) -> str:
    return format(Decimal(str(value or 0)).normalize(), "f")


def _cents(value: Any) -> str:
    return str(Decimal(str(value or 0)).quantize(Decimal("0.01"), ROUND_HALF_UP))


def _goods(lines: Iterable[tuple[Any, Any]]) -> Essence:
    """Return the lines as `name x quantity`, sorted, and the number of pieces; no quantity counts as none."""
    goods = [(_text(name), _number(quantity)) for name, quantity in lines]
    pieces = sum((Decimal(quantity) for _, quantity in goods), Decimal(0))
    return {"lines": "\n".join(sorted(f"{name} x {quantity}" for name, quantity in goods)), "pieces": _number(pieces)}


def _currency(code: Any) -> Essence:
    return {"currency": str(code)} if code else {}


def retailcrm(order: Raw) -> Essence:
    """Read an order of RetailCRM, without lines that are no goods."""
    delivery = order.get("delivery") or {}
    address = delivery.get("address") or {}
    items = retailcrm_goods(order)
    return {
        **_address({**order, **address}, "firstName", "lastName", "city", "index"),
        "total": _cents(order.get("totalSumm")),
        "shipping": _number(delivery.get("cost")),
        **_goods(((item.get("offer") or {}).get("name"), item.get("quantity")) for item in items),
        **_currency(order.get("currency")),
    }


def retailcrm_goods(order: Raw) -> list[Raw]:
    """Return the lines that are goods: not cancelled ones, nor those that Intake writes for fees and tax."""
    return [item for item in order.get("items") or () if not (item.get("isCanceled") or _is_charge(item))]


def _is_charge(item: Raw) -> bool:
    marks = [entry.get("value") or "" for entry in item.get("externalIds") or () if entry.get("code") == "intake"]
    return any(":" not in mark and "+" in mark for mark in marks)


def dropday(order: Raw) -> Essence:
    """Read an order as it was posted to Dropday, which has no currency. A company stands in for a missing last name."""
    shipping, to = order.get("shipping") or {}, order.get("shipping_address") or {}
    if to.get("last_name") == to.get("company_name"):
        to = {**to, "last_name": None}
    return {
        **_address(to, "first_name", "last_name", "city", "postcode"),
        "total": _cents(order.get("total")),
        "shipping": _number(shipping.get("cost", order.get("shipping_cost"))),
        **_goods((product.get("name"), product.get("quantity")) for product in order.get("products") or ()),
    }


def dropstream(order: Raw) -> Essence:
    """Read an order of DropStream, which states no total."""
    return {
        **_address(order.get("shipping_address") or {}, "first_name", "last_name", "city", "postal_code"),
        "shipping": _number(order.get("shipping_amount")),
        **_goods(
            (item.get("name"), item.get("quantity"))
            for item in order.get("order_items") or ()
            if not item.get("canceled")
        ),
        **_currency(order.get("currency_code")),
    }


def ordercloud(order: Raw) -> Essence:
    """Read an order of OrderCloud; the address is in its lines, which name a product of the catalogue."""
    lines = order.get("LineItems") or ()
    address: Raw = next((line["ShippingAddress"] for line in lines if line.get("ShippingAddress")), {})
    return {
        **_address(address, "FirstName", "LastName", "City", "Zip"),
        "pieces": _goods((None, line["Quantity"]) for line in lines)["pieces"],
        **_currency(order.get("Currency")),
    }


def dropboy(order: Raw) -> Essence:
    """Read a transport of Dropboy, which has cargo instead of goods, and the recipient's name in one field."""
    fields = _address(order.get("destination") or {}, "attention", "", "city", "zipCode")
    return fields | {"name": fields["name"].removesuffix(" -")}


#: Reads the essence of an order, by system.
OF: Final[dict[str, Callable[[Raw], Essence]]] = {
    "retailcrm": retailcrm,
    "dropday": dropday,
    "dropstream": dropstream,
    "ordercloud": ordercloud,
    "dropboy": dropboy,
}
