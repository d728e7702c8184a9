"""How an order of Dropday reads as an `Order`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from schemas.order import Address, Customer, Line, Order, Shipping, Status, Totals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas import dropday_list as wire

#: The words of the filter `statuses`. They say how far a line is on its way to a supplier, not to the customer.
STATUSES: Final[Mapping[str, Status]] = {
    "pending": Status.NEW,
    **dict.fromkeys(("ruled", "partially_completed", "completed"), Status.PROCESSING),
    "declined": Status.CANCELLED,
    **dict.fromkeys(("failed", "skipped"), Status.UNKNOWN),
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RANK: Final = tuple(Status)


def to_order(order: wire.Order, *, provider: str, statuses: Mapping[str, Status]) -> Order:
    """The order of the account `provider`; no currency is said anywhere, and the version is when it was changed."""
    words = [line.current_status for line in order.order_lines if line.current_status]
    changed, shipping = order.updated_at, order.shipping
    return Order(
        provider=provider,
        external_id=order.reference,
        display_id=order.external_id,
        source_id=order.external_id,
        store=order.source,
        version=None if changed is None else (changed - _EPOCH) // timedelta(microseconds=1),
        status=_status([statuses.get(word, Status.UNKNOWN) for word in words]),
        status_raw=", ".join(sorted(set(words))) or None,
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
    """As far as the line that is the farthest behind; cancelled ones do not count beside others."""
    counted = [status for status in lines if status is not Status.CANCELLED] or lines
    if not counted or Status.UNKNOWN in counted:
        return Status.UNKNOWN
    return min(counted, key=_RANK.index)


def _line(line: wire.Row) -> Line:
    left = line.stock_quantity  # a whole number stays a number where an order is written down
    stock: dict[str, Any] = {} if left is None else {"stock_quantity": int(left) if left % 1 == 0 else left}
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
        custom={**line.custom, **stock},
    )


def _customer(to: wire.Receiver) -> Customer:
    """The receiver is the only person they know."""
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
