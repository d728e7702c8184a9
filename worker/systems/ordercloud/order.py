"""Reads an order of OrderCloud as an `Order`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal

from schemas.order import Address, Customer, Line, Order, Status, Totals
from worker.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas import ordercloud as wire

#: "Completed" means that everything was shipped. An order that awaits approval has no status of ours.
STATUSES: Final[Mapping[str, Status]] = {
    "Open": Status.NEW,
    "Completed": Status.SHIPPED,
    **dict.fromkeys(("Canceled", "Declined"), Status.CANCELLED),
    **dict.fromkeys(("AwaitingApproval", "Unsubmitted"), Status.UNKNOWN),
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ZERO: Final = Decimal(0)


def to_order(
    order: wire.Order, *, provider: str, statuses: Mapping[str, Status], several_addresses: Literal["refuse", "first"]
) -> Order:
    """Return the order of the account `provider`; `version` is the time of its last change.

    The lines have a receiver, the order itself has none. Payments and shipments are separate, and are not read.
    """
    ordered, changed = order.date_submitted or order.date_created, order.last_updated
    if ordered is None:
        raise Malformed("order: DateSubmitted: missing, as is DateCreated", "DateSubmitted")
    lines = tuple(_line(n, item) for n, item in enumerate(order.line_items))
    return Order(
        provider=provider,
        external_id=order.id,
        display_id=order.id,
        store=order.from_company_id,
        version=None if changed is None else (changed - _EPOCH) // timedelta(microseconds=1),
        status=statuses.get(order.status, Status.UNKNOWN),
        status_raw=order.status,
        ordered_at=ordered,
        updated_at=changed,
        currency=order.currency,
        lines=lines,
        totals=_totals(order, lines),
        customer=_customer(order),
        shipping_address=_receiver(order.line_items, several_addresses),
        billing_address=_address(order.billing_address) if order.billing_address else None,
        note=order.comments,
        custom=order.xp,
    )


def _totals(order: wire.Order, lines: tuple[Line, ...]) -> Totals:
    """Total = Subtotal - BaseDiscount - PromotionDiscount + TaxCost + ShippingCost + Gratuity + Fees.

    It is not documented whether the order's discounts include those of the lines, or whether its subtotal is already
    reduced by them. The subtotal decides.
    """
    discount = (order.base_discount or _ZERO) + (order.promotion_discount or _ZERO)
    if order.subtotal == sum((line.unit_price * line.quantity for line in lines), _ZERO):
        discount -= sum((line.discount for line in lines), _ZERO)
    return Totals(
        items=order.subtotal,
        shipping=order.shipping_cost,
        discount=discount,
        tax=order.tax_cost,
        fees=(order.fees or _ZERO) + (order.gratuity or _ZERO),
        grand=order.total,
    )


def _line(n: int, item: wire.LineItem) -> Line:
    price, subtotal = item.unit_price, item.line_subtotal
    if price is None and subtotal is not None and item.quantity:
        price = subtotal / item.quantity
    if price is None:
        field = f"LineItems[{n}].UnitPrice"
        raise Malformed(f"order: {field}: missing", field)
    if subtotal is not None and item.line_total is not None:
        discount = subtotal - item.line_total
    else:
        discount = (item.base_discount or _ZERO) + (item.promotion_discount or _ZERO)
    return Line(
        id=item.id,
        product_id=item.product_id,
        sku=item.variant.id or item.product_id,
        name=item.product.name or item.variant.name or item.product_id,
        quantity=item.quantity,
        unit_price=price,
        discount=discount,
        supplier=item.supplier_id,
        options={
            name: value
            for spec in item.specs
            if (name := spec.name or spec.spec_id) and (value := spec.value or spec.option_id)
        },
        custom=item.xp,
    )


def _customer(order: wire.Order) -> Customer:
    """Return the user who ordered, with the company of the billing address."""
    user = order.from_user
    return Customer(
        id=user.id,
        first_name=user.first_name,
        last_name=user.last_name,
        company=order.billing_address.company_name if order.billing_address else None,
        email=user.email,
        phone=user.phone,
    )


def _receiver(items: list[wire.LineItem], several: Literal["refuse", "first"]) -> Address:
    """Return the one shipping address of all lines that have one."""
    places = [(n, item.shipping_address) for n, item in enumerate(items) if item.shipping_address]
    if not places:
        return Address()
    first = _address(places[0][1])
    for n, place in places[1:]:
        if several == "refuse" and _address(place) != first:
            field = f"LineItems[{n}].ShippingAddress"
            raise Malformed(f"order: {field}: another one, and several_addresses does not say what that means", field)
    return first


def _address(place: wire.Place) -> Address:
    return Address(
        first_name=place.first_name,
        last_name=place.last_name,
        company=place.company_name,
        street1=place.street1,
        street2=place.street2,
        city=place.city,
        region=place.state,
        postal_code=place.zip,
        country=place.country,
        phone=place.phone,
    )
