"""The order of DropStream, in the fields that its page on /orders lists."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from worker.lab.sandbox.orders import Draft, DraftLine

#: Only the first and the third stand in their documents; the others are in the same manner.
STATES: Final = {
    "new": "pending_shipment",
    "paid": "pending_shipment",
    "processing": "pending_shipment",
    "shipped": "notified_shipped",
    "delivered": "closed",
    "cancelled": "canceled",
}


def written(moment: float) -> str:
    """A moment as DropStream writes it: UTC, milliseconds, Z."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_draft(draft: Draft, order_id: int, store_id: int, created: float) -> dict[str, Any]:
    """An order that a channel's adapter imported at the moment `created`; amounts are text with two decimals."""
    country, at = draft.country, written(created)
    address = {
        "first_name": draft.first_name, "last_name": draft.last_name, "street1": f"{draft.street} {draft.building}",
        "street2": draft.flat, "city": draft.city, "region": draft.region, "postal_code": draft.postcode,
        "country": country.iso, "telephone": draft.phone,
    }  # fmt: skip
    return {
        "id": order_id,
        "store_id": store_id,
        "external_id": draft.external_id or draft.number,
        "external_display_id": f"#{draft.number}",
        "customer_email": draft.email,
        "ordered_at": written(draft.created),
        "created_at": at,
        "fulfillment_state": STATES[draft.status],
        "fulfillment_transitioned_at": at,
        "currency_code": country.currency,
        "notes": draft.comment,
        "payment_type": draft.payments[0].method if draft.payments else None,
        "shipping_amount": _amount(draft, draft.shipping),
        "discount_amount": _amount(draft, draft.discount),
        "tax_amount": "0.00",
        "shipping_tax_amount": "0.00",
        "external_tags": "web,first order" if draft.note else "",
        "custom": {key: str(value) for key, value in draft.custom.items()},
        "shipping_address": address,
        "billing_address": address,
        "order_items": [_item(draft, line, n) for n, line in enumerate(draft.lines, 1) if not line.cancelled],
    }


def _item(draft: Draft, line: DraftLine, n: int) -> dict[str, Any]:
    return {
        "name": line.name,
        "sku": line.sku,
        "upc": line.ean,
        "quantity": int(line.quantity) if line.quantity.is_integer() else line.quantity,
        "unit_price": _amount(draft, line.price),
        "unit_cost": None if line.purchase_price is None else _amount(draft, line.purchase_price),
        "external_order_item_id": f"{draft.number}-{n}",
        "discount_amount": _amount(draft, round(line.discount * line.quantity)),
        "tax_amount": "0.00",
        "customer_notes": line.comment,
        "options": [{key: value} for key, value in line.options.items()],
        "custom": {},
    }


def _amount(draft: Draft, minor: int) -> str:
    return f"{minor / 10**draft.country.places:.2f}"


def numbers(order: dict[str, Any]) -> dict[str, Any]:
    """The same order with its amounts as JSON numbers, which is the other reading of "decimal (8.2)"."""
    return {key: float(v) if _is_amount(key, v) else v for key, v in order.items()} | {
        "order_items": [
            {key: float(v) if _is_amount(key, v) else v for key, v in item.items()} for item in order["order_items"]
        ]
    }


def _is_amount(key: str, value: object) -> bool:
    return isinstance(value, str) and (key.endswith("_amount") or key in {"unit_price", "unit_cost"})
