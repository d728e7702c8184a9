"""The payments of orders of RetailCRM, which have calls of their own once the order exists."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.lab.sandbox.retailcrm.stored import Stored

_WRITABLE: Final = frozenset({"externalId", "type", "status", "amount", "paidAt", "comment"})


class PaymentError(Exception):
    """The order or the payment does not exist."""


def rows_of(text: bytes) -> list[dict[str, Any]]:
    """Return the payments of an order as a list."""
    payments = json.loads(text).get("payments") or []
    return list(payments.values()) if isinstance(payments, dict) else payments


def find(
    orders: Mapping[int, Stored], number: int | None, posted: Mapping[str, Any]
) -> tuple[Stored, list[dict[str, Any]]]:
    """Return the order of a payment, by its id or by the `order` that it names, with its payments."""
    wanted = posted.get("order") or {}
    for stored in orders.values():
        rows = rows_of(stored.text)
        if number is not None:
            if any(row.get("id") == number for row in rows):
                return stored, rows
        elif wanted.get("id") == stored.id or (wanted.get("externalId") and wanted["externalId"] == stored.external_id):
            return stored, rows
    raise PaymentError("Payment not found" if number is not None else "Order not found")


def changed(rows: list[dict[str, Any]], number: int, posted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the payment `number` as it is after the call."""
    before = next((row for row in rows if row.get("id") == number), {"status": "not-paid"})
    return {**before, **{name: value for name, value in posted.items() if name in _WRITABLE}, "id": number}
