"""Reads an order of Dropday as an `Order`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from schemas.order import Address, Customer, Line, Order, Shipping, Status, Totals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas import dropday_list as wire

#: The values of the filter `statuses`. They tell how far a line is on its way to a supplier, not to the customer.
STATUSES: Final[Mapping[str, Status]] = {
    "pending": Status.NEW,
    **dict.fromkeys(("ruled", "partially_completed", "completed"), Status.PROCESSING),
    "declined": Status.CANCELLED,
    **dict.fromkeys(("failed", "skipped"), Status.UNKNOWN),
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RANK: Final = tuple(Status)


def to_order(order: wire.Order, *, provider: str, statuses: Mapping[str, Status]) -> Order:
    """Return the order of the account `provider`. It has no currency; its version is the time of its last change."""
    statuses_raw = [line.current_status for line in order.order_lines if line.current_status]
    changed, shipping = order.updated_at, order.shipping
    return Order(
        provider=provider,
        external_id=order.reference,
        display_id=order.external_id,
        source_id=order.external_id,
        store=order.source,
        version=None if changed is None else (changed - _EPOCH) // timedelta(microseconds=1),
        status=_status([statuses.get(raw, Status.UNKNOWN) for raw in statuses_raw]),
        status_raw=", ".join(sorted(set(statuses_raw))) or None,
        test=order.test,
        ordered_at=order.created_at,
        updated_at=changed,
        lines=tuple(map(_line, order.order_lines)),
        totals=Totals(shipping=shipping.cost, grand=order.total),
        customer=_customer(order.shipping_address),
        shipping_address=_address(order.shipping_address),
        shipping=Shipping(
            method=shipping.name,
            description=shipping.description,
            note=shipping.note or None,
            promised_on=shipping.delivery_date,
        ),
        custom=order.custom,
    )


def _status(lines: Sequence[Status]) -> Status:
    """Return the status of the line that is the farthest behind. Cancelled lines count only if all are cancelled."""
    counted = [status for status in lines if status is not Status.CANCELLED] or lines
    if not counted or Status.UNKNOWN in counted:
        return Status.UNKNOWN
    return min(counted, key=_RANK.index)


def _line(line: wire.Row) -> Line:
    stock = line.stock_quantity  # an int if it is whole, so that it stays a number in JSON
    custom: dict[str, Any] = {} if stock is None else {"stock_quantity": int(stock) if stock % 1 == 0 else stock}
    return Line(
        id=line.id,
        product_id=line.external_id,
        sku=line.reference,
        ean=line.ean13 or None,
        name=line.name,
        quantity=line.quantity,
        unit_price=line.price,
        purchase_price=line.purchase_price,
        brand=line.brand,
        category=line.category,
        supplier=line.matched_supplier.name,
        image_url=line.image_url,
        custom={**line.custom, **custom},
    )


def _customer(to: wire.Receiver) -> Customer:
    """Return the receiver: Dropday knows no other person."""
    return Customer(
        first_name=to.first_name or None,
        last_name=to.last_name or None,
        company=to.company_name or None,
        email=to.email or None,
        phone=to.phone or None,
    )


def _address(to: wire.Receiver) -> Address:
    return Address(
        first_name=to.first_name or None,
        last_name=to.last_name or None,
        company=to.company_name or None,
        street1=to.address1 or None,
        street2=to.address2 or None,
        city=to.city or None,
        region=to.state or None,
        postal_code=to.postcode or None,
        country=to.country or None,
        phone=to.phone or None,
        email=to.email or None,
    )
