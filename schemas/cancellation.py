"""Cancellation: the reasons for which an order is not to be shipped, in words for its history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas.order import Status

if TYPE_CHECKING:
    from schemas.order import Order

#: The statuses of an order that must not be shipped: where it exists already, it is to be cancelled.
CANCELS: Final = frozenset({Status.CANCELLED})


def cancellation(order: Order) -> str:
    """Return why the order is to be cancelled where it exists ("cancelled at the source"), or "" for a live order."""
    return f"{order.status.value} at the source" if order.status in CANCELS else ""
