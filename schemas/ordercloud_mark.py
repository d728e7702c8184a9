"""What orders of ours say in OrderCloud's extended properties (`xp.Intake`): whose they are, and what has no field.

An `xp` holds 8,000 bytes, and the index of orders takes the type of a key from the first order that has it: an order
with another type may be in no list. So every key has one type, whatever it says, and what does not fit is shortened,
or left out and named in `Omitted`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from schemas.receiver import full_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from schemas.changes import Changes
    from schemas.order import Address, Customer, Line, Order, PickupPoint
    from schemas.ordercloud_amounts import Amounts, Piece

#: The key in `xp` that belongs to Intake.
MARK: Final = "Intake"
#: The most bytes of our part of an `xp`: the rest of the 8,000 is for the marketplace's own.
_ROOM: Final = 6500
#: Bytes for the name, the punctuation and the ellipsis of a text that is shortened.
_SHORTEST: Final = 40
#: The most bytes of one character in JSON: a control character.
_WIDEST: Final = 6
#: A text within an object or a list is never longer.
_LONG: Final = 500
_ELLIPSIS: Final = "…"

#: The paths of an order that an entry depends on, and the function that returns its value.
Entry = tuple[tuple[str, ...], "Callable[[Order], Any]"]


def shortened(text: str, most: int) -> str:
    """Return the text, cut to `most` characters with an ellipsis at its end."""
    return text if len(text) <= most else text[: most - 1].rstrip() + _ELLIPSIS


def _address(at: Address | None) -> str | None:
    """Return a whole address as one text: the fields of OrderCloud may hold less of it, or none if it is incomplete."""
    if at is None:
        return None
    place = " ".join(filter(None, (at.postal_code, at.city)))
    rows = (full_name(at), at.company, at.street1, at.street2, place, at.region, at.country)
    return "\n".join(filter(None, (*rows, at.phone, at.phone2, at.email))) or None


def _customer(customer: Customer) -> dict[str, Any]:
    return {
        "ID": customer.id,
        "FirstName": customer.first_name,
        "MiddleName": customer.middle_name,
        "LastName": customer.last_name,
        "Company": customer.company,
        "Email": customer.email,
        "Phone": customer.phone,
        "Phone2": customer.phone2,
        "TaxID": customer.tax_id,
    }


def _pickup(point: PickupPoint | None) -> dict[str, Any]:
    names = {"ID": "id", "Name": "name", "Address": "address", "Phone": "phone", "Hours": "hours"}
    return {name: point and getattr(point, field) for name, field in names.items()}


def _shipping(order: Order) -> dict[str, Any]:
    shipping = order.shipping
    return {
        "Method": shipping.method,
        "Carrier": shipping.carrier,
        "Description": shipping.description,
        "Note": shipping.note,
        "PromisedOn": shipping.promised_on,
        "PromisedFrom": shipping.promised_from,
        "PromisedUntil": shipping.promised_until,
        "PromisedText": shipping.promised_text,
        "ShipOn": shipping.ship_on,
        "CancelAfter": shipping.cancel_after,
        "SignatureRequired": shipping.signature_required,
        "InsuredAmount": shipping.insured_amount,
        "Account": shipping.account,
        "AccountCode": shipping.account_code,
        "Tracking": shipping.tracking_number,
        "Warehouse": shipping.warehouse,
        "Pickup": _pickup(shipping.pickup_point),
    }


def _payments(order: Order) -> list[dict[str, Any]]:
    return [
        {
            "ID": payment.id,
            "Method": payment.method,
            "Status": payment.status,
            "Amount": payment.amount,
            "PaidAt": payment.paid_at and payment.paid_at.isoformat(),
            "Paid": payment.paid,
            "Note": payment.note,
        }
        for payment in order.payments
    ]


def _cancelled(line: Line) -> str:
    names = " ".join(dict.fromkeys(filter(None, (line.sku, line.name))))
    return f"{line.quantity:f} x {names} for {line.subtotal:f}"


def _custom(order: Order) -> str | None:
    """Return the custom fields as one text: their own types are unknown, and the type of a key must never change."""
    own = {name: value for name, value in order.custom.items() if name not in order.uncounted}
    return _json(own) if own else None


#: The entries of an order, the most important first.
_ORDER: Final[Mapping[str, Entry]] = {
    "Order": ((), lambda order: order.key),
    "Number": (("display_id",), lambda order: order.display_id),
    "Source": (("source_id",), lambda order: order.source_id),
    "Store": (("store",), lambda order: order.store),
    "OrderedAt": (("ordered_at",), lambda order: order.ordered_at.isoformat()),
    "Status": (("status",), lambda order: order.status.value),
    "StatusRaw": (("status_raw",), lambda order: order.status_raw),
    "Test": (("test",), lambda order: order.test),
    "Currency": (("currency",), lambda order: order.currency),
    "Total": (("totals", "lines"), lambda order: order.grand_total),
    "Items": (("totals",), lambda order: order.totals.items),
    "Shipping": (("totals",), lambda order: order.totals.shipping),
    "Discount": (("totals",), lambda order: order.totals.discount),
    "Fees": (("totals",), lambda order: order.totals.fees),
    "Tax": (("totals",), lambda order: order.totals.tax),
    "Customer": (("customer",), lambda order: _customer(order.customer)),
    "ShipTo": (("shipping_address",), lambda order: _address(order.shipping_address)),
    "Delivery": (("shipping",), _shipping),
    "PurchaseOrder": (("purchase_order",), lambda order: order.purchase_order),
    "Invoice": (("invoice_number",), lambda order: order.invoice_number),
    "Payments": (("payments",), _payments),
    "GiftMessage": (("gift_message",), lambda order: order.gift_message),
    "InternalNote": (("internal_note",), lambda order: order.internal_note),
    "BillTo": (("billing_address",), lambda order: _address(order.billing_address)),
    "DiscountCodes": (("discount_codes",), lambda order: list(order.discount_codes)),
    "Tags": (("tags",), lambda order: list(order.tags)),
    "Note": (("note",), lambda order: order.note),
    "Cancelled": (("cancelled_lines",), lambda order: list(map(_cancelled, order.cancelled_lines))),
    "Custom": (("custom",), _custom),
}

#: The entries of a line, the most important first.
_LINE: Final[Mapping[str, tuple[tuple[str, ...], Callable[[Line], Any]]]] = {
    "SKU": (("sku",), lambda line: line.sku),
    "Name": (("name",), lambda line: line.name),
    "EAN": (("ean",), lambda line: line.ean),
    "ProductID": (("product_id",), lambda line: line.product_id),
    "Discount": (("discount",), lambda line: line.discount or None),
    "Tax": (("tax",), lambda line: line.tax),
    "GiftWrap": (("gift_wrap",), lambda line: line.gift_wrap),
    "Options": (
        ("options",),
        lambda line: [{"Name": option.name, "Value": option.value} for option in line.options],
    ),
    "Note": (("note",), lambda line: line.note),
    "Weight": (("weight",), lambda line: line.weight),
    "Supplier": (("supplier",), lambda line: line.supplier),
    "Brand": (("brand",), lambda line: line.brand),
    "Category": (("category",), lambda line: line.category),
    "PurchasePrice": (("purchase_price",), lambda line: line.purchase_price),
    "Image": (("image_url",), lambda line: line.image_url),
    "Custom": (("custom",), lambda line: _json(line.custom) if line.custom else None),
}


def order_mark(order: Order, amounts: Amounts | None, changes: Changes | None = None) -> dict[str, Any]:
    """Return the entries of an order; with `changes`, only those that changed.

    `Sent` are the amounts that were written: an update writes those that differ from them. A None removes a value:
    OrderCloud merges `xp`.
    """
    entries = {name: value(order) for name, (_, value) in _ORDER.items()}
    sent = amounts and {"Shipping": amounts.shipping, "Tax": amounts.tax, "Gratuity": amounts.gratuity}
    packed = _packed({"Order": entries.pop("Order"), "Sent": sent, **entries})
    if changes is None:
        return packed
    return {name: packed[name] for name, (paths, _) in _ORDER.items() if changes.touches(*paths)}


def line_mark(line: Line, key: str, piece: Piece | None, changed: Iterable[str] | None = None) -> dict[str, Any]:
    """Return the entries of a line with this key (see `line_keys`); with `changed`, only those of changed leaves."""
    sent = piece and {"Quantity": piece.quantity, "UnitPrice": piece.unit_price}
    packed = _packed({"Key": key, "Sent": sent, **{name: value(line) for name, (_, value) in _LINE.items()}})
    if changed is None:
        return packed
    return {name: packed[name] for name, (leaves, _) in _LINE.items() if set(leaves) & set(changed)}


def without_nulls(value: Any) -> Any:
    """Return a JSON value without the entries of objects that are null, and without objects that are empty then."""
    if isinstance(value, dict):
        filled = {name: without_nulls(item) for name, item in value.items()}
        return {name: item for name, item in filled.items() if item not in (None, {}, [])}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def _packed(entries: dict[str, Any]) -> dict[str, Any]:
    """Return the entries as far as there is room for them."""
    packed: dict[str, Any] = {}
    omitted: list[str] = []
    room = _ROOM
    for name, value in entries.items():
        item = _cut(value, room - len(name)) if isinstance(value, str) else _short(value)
        size = _size({name: without_nulls(item)})
        if size > room or (value and not item):
            omitted.append(name)
            item = [] if isinstance(item, list) else None
        elif without_nulls(item) not in (None, {}, []):
            room -= size
        packed[name] = item
    return {**packed, "Omitted": omitted}


def _short(value: Any) -> Any:
    """Return the value with each text within objects cut to a length that no such text needs."""
    if isinstance(value, dict):
        return {name: shortened(item, _LONG) if isinstance(item, str) else _short(item) for name, item in value.items()}
    return [_short(item) for item in value] if isinstance(value, list) else value


def _cut(text: str, room: int) -> str | None:
    """Return the text cut to so many bytes of JSON; None if there is room for nothing of it."""
    if _size(text) + _SHORTEST <= room:
        return text
    kept = text
    while kept and _size(kept) + _SHORTEST > room:
        over = _size(kept) + _SHORTEST - room
        kept = kept[: -max(1, over // _WIDEST)]
    return kept.rstrip() + _ELLIPSIS if kept else None


def _size(value: Any) -> int:
    return len(_json(value).encode())


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str, separators=(",", ":"))
