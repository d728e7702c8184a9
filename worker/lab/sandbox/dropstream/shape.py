"""The order of DropStream, with the fields that its page about /orders lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from worker.lab.sandbox.wire import utc_text

if TYPE_CHECKING:
    from worker.lab.sandbox.drafts import Draft, DraftLine

_DAY: Final = 86400

#: The documents name `pending_shipment` of orders; the others are states of the app ("Order statuses").
STATES: Final = {
    "new": "new",
    "paid": "queued",
    "processing": "pending_shipment",
    "shipped": "shipped",
    "delivered": "shipped",
    "cancelled": "canceled",
}


def from_draft(draft: Draft, order_id: int, store_id: int, created: float) -> dict[str, Any]:
    """Return an order that a sales channel's adapter imported at `created`; amounts are text with two decimals."""
    country, at = draft.country, utc_text(created)
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
        "ordered_at": utc_text(draft.created),
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
        "purchase_order_id": None,
        "requested_ship_date": utc_text(draft.promised - _DAY) if draft.promised else None,
        "external_tags": "web,first order" if draft.note else "",
        "custom": {key: str(value) for key, value in draft.custom.items()},
        "shipping_address": address,
        "billing_address": address,
        "order_items": [_item(draft, line, n) for n, line in enumerate(draft.lines, 1)],
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
        "canceled": line.cancelled,
        "weight": None,
        "weight_uom": None,
        "created_at": utc_text(draft.created),
        "custom": {},
    }


def _amount(draft: Draft, minor: int) -> str:
    return f"{minor / 10**draft.country.decimals:.2f}"


def numbers(order: dict[str, Any]) -> dict[str, Any]:
    """Return the order with its amounts as JSON numbers, the other way to read "decimal (8.2)"."""
    return {**_amounts_as_numbers(order), "order_items": [_amounts_as_numbers(item) for item in order["order_items"]]}


def _amounts_as_numbers(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: float(value) if _is_amount(name, value) else value for name, value in fields.items()}


def _is_amount(name: str, value: object) -> bool:
    return isinstance(value, str) and (name.endswith("_amount") or name in {"unit_price", "unit_cost"})
