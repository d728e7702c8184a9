"""Whether an order with our externalId is the one that we created. RetailCRM only refuses a second one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.retailcrm_marks import seal_of

if TYPE_CHECKING:
    from schemas.order import Order
    from schemas.retailcrm_held import There


def is_ours(there: There, order: Order, created_at: str) -> bool:
    """Return whether the order that exists was created from `order`.

    Each line of ours has a mark (`items[].externalIds`) that names the order key. An order without any mark, whose
    lines people replaced or which never had lines, is ours if it has our time of creation and goods: RetailCRM keeps
    the time that we send, to the second.
    """
    if marks := there.marks:
        return any(mark.startswith(seal_of(order)) for mark in marks)
    goods = sorted((line.name or "", line.quantity) for line in there.items)
    return there.created_at == created_at and (
        not goods or goods == sorted((line.name, line.quantity) for line in order.lines)
    )


def is_nobodys(there: There) -> bool:
    """Return whether no line of the order has a mark of Intake, although it has lines."""
    return bool(there.items) and not there.marks


def foreign(reference: str, target: str, key: str | None = None) -> str:
    """Return why the order is held, and what to do."""
    release = f"then: intake release {target} {key}" if key else "then release it"
    return (
        f"the order with the externalId {reference} in {target} was not created from this one, but by someone else. "
        f"Change its externalId there, or give the route another reference and run intake reload, {release}"
    )
