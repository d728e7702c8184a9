"""Reads an order of Dropday as an `Order`."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from schemas import dropday_list as wire
from schemas.order import Address, Customer, Line, Order, Shipping, Status, Totals
from schemas.reading import kept, read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: The values of the filter `statuses`, which the docs name and do not explain. They say how far a line is on its way
#: to a supplier, not to the customer. `failed` stays unknown.
STATUSES: Final[Mapping[str, Status]] = {
    "pending": Status.NEW,
    **dict.fromkeys(("ruled", "partially_completed", "completed"), Status.PROCESSING),
    "declined": Status.CANCELLED,
    "skipped": Status.EXCLUDED,
    "failed": Status.UNKNOWN,
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RANK: Final = tuple(Status)
#: The statuses of a line that nothing is sent of.
_OUT: Final = frozenset({Status.CANCELLED, Status.EXCLUDED})
#: A day as the docs write it, as shops post it, and with a time behind it.
_DAY: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ].*)?|(\d{2})-(\d{2})-(\d{4})")
#: What shops send for no day (PrestaShop/PrestaShop#11017).
_NO_DAY: Final = re.compile(r"0000-00-00.*|00-00-0000")


def to_order(raw: Mapping[str, Any], *, provider: str, statuses: Mapping[str, Status]) -> Order:
    """Return the order of the account `provider`. It has no currency; its version is the time of its last change.

    A line that is declined or skipped stays an order line as long as another one is not: its status says that a
    supplier does not deliver it, while the customer has paid for it, and the total includes it.
    """
    order, unread = read(wire.Order, raw)
    rows = order.order_lines
    statuses_raw = [row.current_status for row in rows if row.current_status]
    status = _status([statuses.get(text, Status.UNKNOWN) for text in statuses_raw], blocked=bool(order.blocked))
    changed, receiver = order.updated_at, order.shipping_address
    rest = _rest(order, kept(wire.Order, raw, unread))
    lines = tuple(map(_line, rows))
    return Order(
        provider=provider,
        external_id=order.reference,
        display_id=order.external_id,
        source_id=order.external_id,
        store=order.source,
        version=None if changed is None else (changed - _EPOCH) // timedelta(microseconds=1),
        status=status,
        status_raw=", ".join(sorted({*statuses_raw, *(["blocked"] if order.blocked else [])})) or None,
        test=bool(order.test),
        ordered_at=order.created_at,
        updated_at=changed,
        lines=lines,
        totals=_totals(order, lines),
        customer=_customer(receiver),
        shipping_address=_address(receiver),
        shipping=_shipping(order.shipping),
        custom={**order.custom, **({"dropday": rest} if rest else {})},
        uncounted=("dropday",) if rest else (),
    )


def _totals(order: wire.Order, lines: Sequence[Line]) -> Totals:
    """Return the totals. Dropday has no field for a discount: it is what the customer does not pay of the prices."""
    shipping, grand = order.shipping.cost, order.total
    prices = sum((line.subtotal for line in lines), Decimal(0)) + (shipping or 0)
    discount = None if grand is None or grand >= prices else prices - grand
    return Totals(shipping=shipping, discount=discount, grand=grand)


def _status(lines: Sequence[Status], *, blocked: bool) -> Status:
    """Return the status of the line that is the farthest behind. Lines that are out count only if all are."""
    counted = [status for status in lines if status not in _OUT]
    if lines and not counted:
        return Status.EXCLUDED if Status.EXCLUDED in lines else Status.CANCELLED
    if blocked or Status.ON_HOLD in counted:
        return Status.ON_HOLD
    if not counted or Status.UNKNOWN in counted:
        return Status.UNKNOWN
    return min(counted, key=_RANK.index)


def _rest(order: wire.Order, rest: dict[str, Any]) -> dict[str, Any]:
    """Return what no field of an order carries, with the status of each line: an order has only one."""
    lines = {str(n): {"current_status": row.current_status} for n, row in enumerate(order.order_lines)}
    unread = rest.get("order_lines", {})
    rows = {n: {**line, **unread.get(n, {})} for n, line in lines.items()}
    filled = {n: {name: value for name, value in row.items() if value is not None} for n, row in rows.items()}
    return {**rest, **({"order_lines": own} if (own := {n: row for n, row in filled.items() if row}) else {})}


def _line(line: wire.Row) -> Line:
    stock = line.stock_quantity  # an int if it is whole, so that it stays a number in JSON
    custom: dict[str, Any] = {} if stock is None else {"stock_quantity": int(stock) if stock % 1 == 0 else stock}
    return Line(
        id=line.id,
        product_id=line.external_id,
        sku=line.reference,
        ean=line.ean13,
        name=line.name,
        quantity=line.quantity,
        unit_price=Decimal(0) if line.price is None else line.price,
        purchase_price=line.purchase_price,
        brand=line.brand,
        category=line.category,
        supplier=line.matched_supplier.name,
        image_url=line.image_url,
        custom={**line.custom, **custom},
    )


def _shipping(shipping: wire.Shipping) -> Shipping:
    day, text = _promise(shipping.delivery_date)
    return Shipping(
        method=shipping.name,
        description=shipping.description,
        note=shipping.note,
        promised_on=day,
        promised_text=text,
    )


def _promise(text: str | None) -> tuple[str | None, str | None]:
    """Return the day that a text names, or else the text: "next week", 2024-02-30."""
    text = (text or "").strip()
    if not text or _NO_DAY.fullmatch(text):
        return None, None
    if match := _DAY.fullmatch(text):
        year, month, day = match.group(1, 2, 3) if match[1] else match.group(6, 5, 4)
        with suppress(ValueError):
            return str(date(int(year), int(month), int(day))), None
    return None, text


def _customer(to: wire.Receiver) -> Customer:
    """Return the receiver: Dropday knows no other person."""
    return Customer(
        first_name=to.first_name, last_name=to.last_name, company=to.company_name, email=to.email, phone=to.phone
    )


def _address(to: wire.Receiver) -> Address:
    return Address(
        first_name=to.first_name,
        last_name=to.last_name,
        company=to.company_name,
        street1=to.address1,
        street2=to.address2,
        city=to.city,
        region=to.state,
        postal_code=to.postcode,
        country=to.country,
        phone=to.phone,
        email=to.email,
    )
