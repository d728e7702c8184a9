"""Cancellation: why an order is not to be shipped, in words for its history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas.order import Status

if TYPE_CHECKING:
    from schemas.order import Order

#: The statuses of an order that must not be shipped: where it exists already, it must be cancelled.
_CANCELS: Final = frozenset({Status.CANCELLED, Status.EXCLUDED})


def cancellation(order: Order) -> str:
    """Return why the order must be cancelled where it exists ("cancelled at the source"), or "" for a live order."""
    match order.removed:
        case "deleted":
            return "deleted at the source"
        case "combined":
            return f"combined into {successor(order) or 'another order'}"
        case None:
            return f"{order.status.value} at the source" if order.status in _CANCELS else ""


def stop(order: Order) -> str:
    """Return why the order must not be shipped now: it must be cancelled, or it is on hold. Return "" otherwise."""
    return "on hold at the source" if order.status is Status.ON_HOLD else cancellation(order)


def successor(order: Order) -> str:
    """Return the key of the order that a combined order's goods moved to; "" if the order is not combined."""
    combined = order.removed == "combined" and order.combined_into
    return f"{order.provider}:{order.combined_into}" if combined else ""
