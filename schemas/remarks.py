"""The facts of an order as lines of text, for targets that have no field for them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from schemas.receiver import contact_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.order import Line, Order, PickupPoint


_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
_DIGIT: Final = re.compile(r"[0-9]")


def is_email(text: str | None) -> bool:
    """Return whether the text can be an e-mail address; shops also write "n/a"."""
    return bool(text and _EMAIL.fullmatch(text))


def is_phone(text: str | None) -> bool:
    """Return whether the text can be a telephone number: it has digits; shops also write "call me"."""
    return bool(text and _DIGIT.search(text))


def remarks(order: Order, *facts: str) -> str | None:
    """Return the `facts` that the order has, one to a line; None if it has none of them.

    The texts that people wrote come as they are, the others after the name of the fact. No line comes twice.
    """
    texts = filter(None, [_FACTS[fact](order) for fact in facts])
    lines = (line for text in texts for line in text.split("\n"))
    return "\n".join(dict.fromkeys(filter(None, map(str.strip, lines)))) or None


def goods(line: Line) -> str:
    """Return a line as people write it: "2 x Mug (Size: XL, gift wrap, Handle with care)"."""
    chosen = [f"{option.name}: {option.value}" for option in line.options]
    details = ", ".join(filter(None, (*chosen, "gift wrap" if line.gift_wrap else None, line.note)))
    return f"{line.quantity:f} x {line.name}" + (f" ({details})" if details else "")


def _labelled(label: str, value: object) -> str | None:
    return None if value is None else f"{label}: {value}"


def _joined(*parts: str | None) -> str | None:
    return ", ".join(filter(None, parts)) or None


def promised(order: Order) -> str | None:
    """Return the promised day with its hours: "2026-01-07 10:00-14:00", "2026-01-07 from 10:00"."""
    return " ".join(filter(None, (order.shipping.promised_on, hours(order)))) or None


def hours(order: Order) -> str | None:
    """Return the promised hours alone, for a target that has a field for the day."""
    first, last = order.shipping.promised_from, order.shipping.promised_until
    return f"{first}-{last}" if first and last else f"from {first}" if first else f"until {last}" if last else None


def _pickup(point: PickupPoint | None) -> str | None:
    return None if point is None else _joined(point.name, point.id, point.address, point.hours, point.phone)


def _insured(order: Order) -> str | None:
    amount = order.shipping.insured_amount
    return None if amount is None else " ".join(filter(None, (f"Insured amount: {amount:f}", order.currency)))


#: A text for each fact, or None.
_FACTS: Final[dict[str, Callable[[Order], str | None]]] = {
    "shipping_note": lambda order: order.shipping.note,
    "note": lambda order: order.note,
    "gift_message": lambda order: _labelled("Gift message", order.gift_message),
    "order_number": lambda order: _labelled("Order number", order.display_id),
    "purchase_order": lambda order: _labelled("Purchase order", order.purchase_order),
    "carrier": lambda order: _labelled("Carrier", order.shipping.carrier),
    "method": lambda order: _labelled("Shipping method", order.shipping.method),
    "description": lambda order: _labelled("Shipping", order.shipping.description),
    "promised": lambda order: _labelled("Promised on", promised(order)),
    "promised_hours": lambda order: _labelled("Promised time", hours(order)),
    "promised_text": lambda order: _labelled("Promised", order.shipping.promised_text),
    "ship_on": lambda order: _labelled("Ship on or after", order.shipping.ship_on),
    "cancel_after": lambda order: _labelled("Cancel after", order.shipping.cancel_after),
    "signature": lambda order: "Signature required" if order.shipping.signature_required else None,
    "insured": _insured,
    "account": lambda order: _labelled("Carrier account", _joined(order.shipping.account, order.shipping.account_code)),
    "pickup_point": lambda order: _labelled("Pickup point", _pickup(order.shipping.pickup_point)),
    "tracking_number": lambda order: _labelled("Tracking number", order.shipping.tracking_number),
    "warehouse": lambda order: _labelled("Warehouse", order.shipping.warehouse),
    "phone2": lambda order: _labelled("Second phone", contact_of(order).phone2),
    "region": lambda order: _labelled("Region", order.shipping_address.region),
    "country": lambda order: _labelled("Country", order.shipping_address.country),
    "phone": lambda order: _labelled("Phone", contact_of(order).phone),
    "email": lambda order: _labelled("E-mail", contact_of(order).email),
    "tax_id": lambda order: _labelled("Tax number", order.customer.tax_id),
}
