"""What RetailCRM has no field for, as lines of its comments: "Carrier: UPS". People see it, and an edit finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from schemas.order import Status
from schemas.receiver import full_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from schemas.order import Address, Order


def field_of(order: Order, path: str) -> Any:
    """Return the value of a field by its path, such as "shipping.carrier" or "custom.gift"; None if it has none."""
    value: Any = order
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
    return value


def text_of(value: Any) -> str | None:
    """Return a value in one line, as people read it; None if there is nothing to read."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(filter(None, map(text_of, value))) or None
    return "; ".join(line.strip() for line in str(value).splitlines() if line.strip()) or None


def _pickup(order: Order) -> str | None:
    place = order.shipping.pickup_point
    parts = (place.name, place.id, place.address, place.hours, place.phone) if place else ()
    return ", ".join(filter(None, parts)) or None


def _of_address(to: Address | None) -> str | None:
    if to is None:
        return None
    parts = (full_name(to), to.company, to.street1, to.street2, to.postal_code, to.city, to.region, to.country)
    return ", ".join(filter(None, (*parts, to.phone, to.phone2, to.email))) or None


def _customer(order: Order) -> str | None:
    """Return the customer, as far as the receiver is somebody else."""
    customer, to = order.customer, order.shipping_address
    pairs = (
        (full_name(customer), full_name(to)),
        (customer.company, to.company),
        (customer.email, to.email),
        (customer.phone, to.phone),
        (customer.phone2, to.phone2),
    )
    return ", ".join(mine for mine, theirs in pairs if mine and theirs and mine != theirs) or None


def _payments(order: Order) -> str | None:
    """Return the payments as text."""
    rows = []
    for payment in order.payments:
        paid = "paid" if payment.paid and (payment.status or "").casefold() != "paid" else None
        day = f"{payment.paid_at:%Y-%m-%d %H:%M} UTC" if payment.paid_at else None
        amount = None if payment.amount is None else f"{payment.amount:f}"
        rows.append(" ".join(filter(None, (payment.method, amount, payment.status, paid, day, payment.note))))
    return text_of(rows)


def _status(order: Order) -> str | None:
    """Return the status, unless it is the one that every new order has."""
    return None if order.status is Status.NEW else order.status_raw or order.status.value


#: Labels of the manager's comment, each with its value and the paths that the value depends on.
_LABELS: Final[Mapping[str, tuple[Callable[[Order], Any], tuple[str, ...]]]] = {
    "Test order": (lambda order: "do not ship" if order.test else None, ("test",)),
    "Customer": (_customer, ("customer",)),
    "Billing address": (lambda order: _of_address(order.billing_address), ("billing_address",)),
    "Tax ID": (lambda order: order.customer.tax_id, ("customer.tax_id",)),
    "Shipping method": (lambda order: order.shipping.method, ("shipping.method",)),
    "Carrier": (lambda order: order.shipping.carrier, ("shipping.carrier",)),
    "Shipping": (lambda order: order.shipping.description, ("shipping.description",)),
    "Pickup point": (_pickup, ("shipping.pickup_point",)),
    "Not wanted after": (lambda order: order.shipping.cancel_after, ("shipping.cancel_after",)),
    "Signature required": (lambda order: order.shipping.signature_required or None, ("shipping.signature_required",)),
    "Insured amount": (lambda order: order.shipping.insured_amount, ("shipping.insured_amount",)),
    "Carrier account": (lambda order: order.shipping.account, ("shipping.account",)),
    "Carrier account code": (lambda order: order.shipping.account_code, ("shipping.account_code",)),
    "Tracking number": (lambda order: order.shipping.tracking_number, ("shipping.tracking_number",)),
    "Warehouse": (lambda order: order.shipping.warehouse, ("shipping.warehouse",)),
    "Purchase order": (lambda order: order.purchase_order, ("purchase_order",)),
    "Invoice": (lambda order: order.invoice_number, ("invoice_number",)),
    "Discount codes": (lambda order: order.discount_codes, ("discount_codes",)),
    "Tags": (lambda order: order.tags, ("tags",)),
    "Payments": (_payments, ("payments",)),
    "Status": (_status, ("status", "status_raw")),
    "Cancelled": (
        lambda order: [f"{line.quantity:f} x {line.name}" for line in order.cancelled_lines],
        ("cancelled_lines",),
    ),
}
_GIFT: Final = "Gift message"


def customer_comment(
    order: Order, current: str | None = None, touched: Callable[..., bool] | None = None
) -> str | None:
    """Return the buyer's note and gift message; with `current`, the comment after an edit."""
    labels = {_GIFT: (text_of(order.gift_message), ("gift_message",))}
    return _merged(order.note, "note", labels, current, touched)


def manager_comment(
    order: Order, skip: Iterable[str], current: str | None = None, touched: Callable[..., bool] | None = None
) -> str | None:
    """Return the internal note, and a line for each field that RetailCRM has no field for; `skip` are labels.

    With `current`, return the comment after an edit: only lines that `touched` says changed are other ones, so that
    what people wrote stays.
    """
    skipped = frozenset(skip)
    labels = {
        label: (None if label in skipped else text_of(value(order)), paths) for label, (value, paths) in _LABELS.items()
    }
    return _merged(order.internal_note, "internal_note", labels, current, touched)


def labels_of(mapped: Collection[str]) -> set[str]:
    """Return the labels of which all fields are `mapped` to other places."""
    return {label for label, (_, paths) in _LABELS.items() if all(path in mapped for path in paths)}


def paths_of_comments() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the paths on which the customer's comment and the manager's comment depend."""
    return ("note", "gift_message"), ("internal_note", *(path for _, paths in _LABELS.values() for path in paths))


def _merged(
    free: str | None,
    path: str,
    labels: Mapping[str, tuple[str | None, tuple[str, ...]]],
    current: str | None,
    touched: Callable[..., bool] | None,
) -> str | None:
    """Return the free text and the labelled lines; in an edit, those that did not change are as they are there."""
    old = [] if current is None else current.splitlines()
    ours = {label: next((line for line in old if line.startswith(f"{label}: ")), None) for label in labels}
    lines: list[str | None] = [free]
    if touched is not None and not touched(path):
        lines = [line for line in old if line not in ours.values()]
    for label, (value, paths) in labels.items():
        new = f"{label}: {value}" if value else None
        lines.append(new if touched is None or touched(*paths) else ours[label])
    return "\n".join(filter(None, lines)) or None
