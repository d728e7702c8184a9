"""Reads an order of OrderCloud as an `Order`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from schemas import ordercloud as wire
from schemas.countries import country_code
from schemas.order import Address, Customer, Line, Option, Order, Payment, Shipping, Status
from schemas.reading import read
from worker.errors import Malformed
from worker.systems.ordercloud.amounts import line_amounts, totals
from worker.systems.ordercloud.leftovers import custom_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.systems.ordercloud.amounts import LineAmounts

#: "Completed" means that everything was shipped. A declined order was never passed on to the seller; if it is submitted
#: again, its status changes again. "Unsubmitted" is a cart.
STATUSES: Final[Mapping[str, Status]] = {
    "Open": Status.NEW,
    "Completed": Status.SHIPPED,
    "AwaitingApproval": Status.ON_HOLD,
    "Unsubmitted": Status.EXCLUDED,
    **dict.fromkeys(("Canceled", "Declined"), Status.CANCELLED),
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def to_order(
    raw: Mapping[str, Any],
    *,
    provider: str,
    statuses: Mapping[str, Status],
    several_addresses: Literal["refuse", "first"],
    both_directions: bool,
) -> Order:
    """Return the order of the account `provider`; `version` is the time of its last change.

    The lines have a receiver, the order itself has none. A line of a bundle is no goods: its parts are. Raise
    Malformed, or ValidationError for what cannot be read.
    """
    order, unread = read(wire.Order, raw)
    ordered, changed = order.date_submitted or order.date_created, order.last_updated
    if ordered is None:
        raise Malformed("order: DateSubmitted: missing, as is DateCreated", "DateSubmitted")
    items = [(item, line_amounts(item, f"LineItems[{n}]", order.currency)) for n, item in enumerate(order.line_items)]
    goods = [(item, amounts) for item, amounts in items if not item.is_bundle]
    custom, uncounted = custom_of(order, raw, unread, [amounts.unit_price for _, amounts in items])
    return Order(
        provider=provider,
        external_id=order.id,
        display_id=order.id,
        store=order.from_company_id,
        version=None if changed is None else max(0, (changed - _EPOCH) // timedelta(microseconds=1)),
        status=_status(order, statuses, both_directions=both_directions),
        status_raw=order.status,
        ordered_at=ordered,
        updated_at=changed,
        currency=order.currency,
        lines=tuple(_line(item, amounts) for item, amounts in goods),
        totals=totals(order, [amounts for _, amounts in goods], [a for item, a in items if item.is_bundle]),
        customer=_customer(order),
        shipping_address=_receiver(order.line_items, several_addresses),
        billing_address=_address(order.billing_address) if order.billing_address else None,
        shipping=_shipping(order),
        payments=tuple(_payment(payment) for payment in order.payments),
        note=order.comments,
        discount_codes=tuple(promotion.code for promotion in order.order_promotions if promotion.code),
        custom=custom,
        uncounted=uncounted,
    )


def _status(order: wire.Order, statuses: Mapping[str, Status], *, both_directions: bool) -> Status:
    """Return the status.

    An order that is open and partly shipped is processed. If both directions are read, an order that was forwarded to a
    supplier is read twice, and its copy is no order to be sent.
    """
    if both_directions and order.line_items and all(item.incoming_order_id for item in order.line_items):
        return Status.EXCLUDED
    status = statuses.get(order.status, Status.UNKNOWN)
    shipped = any(item.quantity_shipped for item in order.line_items)
    return Status.PROCESSING if status is Status.NEW and shipped else status


def _line(item: wire.LineItem, amounts: LineAmounts) -> Line:
    options = [(spec.name or spec.spec_id, spec.value or spec.option_id) for spec in item.specs]
    return Line(
        id=item.id,
        product_id=item.product_id,
        sku=item.variant.id or item.product_id,
        name=item.product.name or item.product_id,
        quantity=item.quantity,
        unit_price=amounts.unit_price,
        discount=amounts.discount,
        supplier=item.supplier_id,
        options=tuple(Option(name=name, value=value) for name, value in options if name and value),
        custom=item.xp,
    )


def _customer(order: wire.Order) -> Customer:
    """Return the user who ordered, with the company of the billing address."""
    user = order.from_user
    return Customer(
        id=user.id or order.from_user_id,
        first_name=user.first_name,
        last_name=user.last_name,
        company=order.billing_address.company_name if order.billing_address else None,
        email=user.email,
        phone=user.phone,
    )


def _receiver(items: list[wire.LineItem], several: Literal["refuse", "first"]) -> Address:
    """Return the one shipping address of all lines that have one: digital goods may have none."""
    places = [(n, item.shipping_address) for n, item in enumerate(items) if item.shipping_address]
    if not places:
        return Address()
    first = _address(places[0][1])
    for n, place in places[1:]:
        if several == "refuse" and _address(place) != first:
            field = f"LineItems[{n}].ShippingAddress"
            raise Malformed(f"order: {field}: another one, and several_addresses is not set", field)
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
        country=place.country and (country_code(place.country) or place.country),
        phone=place.phone,
    )


def _shipping(order: wire.Order) -> Shipping:
    """Return how the goods are shipped: the first day on which a line is needed, and the account if lines agree."""
    needed = min((item.date_needed for item in order.line_items if item.date_needed), default=None)
    accounts = {item.shipping_account for item in order.line_items} - {None}
    methods = [
        method.name
        for estimate in order.ship_estimate_response.ship_estimates
        for method in estimate.ship_methods
        if method.name and method.id == estimate.selected_ship_method_id
    ]
    return Shipping(
        method=", ".join(dict.fromkeys(methods)) or None,
        promised_on=needed.date().isoformat() if needed else None,
        account=accounts.pop() if len(accounts) == 1 else None,
    )


def _payment(payment: wire.Payment) -> Payment:
    """Return a payment. That it is accepted does not say that money has moved."""
    status = None if payment.accepted is None else "accepted" if payment.accepted else "not accepted"
    return Payment(id=payment.id, method=payment.type, status=status, amount=payment.amount, note=payment.description)
