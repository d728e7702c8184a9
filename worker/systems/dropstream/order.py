"""Reads an order of DropStream as an `Order`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from schemas.order import Address, Customer, Line, Order, Payment, Shipping, Status, Totals
from worker.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas import dropstream as wire

#: The two states that the documents name. The names of the others are not documented.
STATUSES: Final[Mapping[str, Status]] = {
    "pending_shipment": Status.PROCESSING,
    "notified_shipped": Status.SHIPPED,
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def to_order(
    order: wire.Order, *, provider: str, statuses: Mapping[str, Status], assumed_quantity: Decimal | None
) -> Order:
    """Return the order of the account `provider`. An item without a quantity has the assumed one, or is Malformed.

    `Line.weight` stays empty, because its unit is not documented. So does `Totals.grand`, which is not sent.
    """
    moved = order.fulfillment_transitioned_at
    return Order(
        provider=provider,
        external_id=str(order.id),
        display_id=order.external_display_id,
        source_id=order.external_id,
        store=order.store_id,
        version=(max(moved or order.created_at, order.created_at) - _EPOCH) // timedelta(microseconds=1),
        status=statuses.get(order.fulfillment_state, Status.UNKNOWN),
        status_raw=order.fulfillment_state,
        ordered_at=order.ordered_at,
        updated_at=moved,
        currency=order.currency_code,
        lines=tuple(_line(n, item, assumed_quantity) for n, item in enumerate(order.order_items)),
        totals=Totals(shipping=order.shipping_amount, discount=order.discount_amount, tax=order.tax_amount),
        customer=_customer(order),
        shipping_address=_address(order.shipping_address),
        billing_address=_address(order.billing_address) if order.billing_address else None,
        shipping=Shipping(
            method=order.shipping_carrier_service_level,
            carrier=order.shipping_carrier_name,
            description=order.external_shipping_description,
            note=order.shipping_notes,
            signature_required=order.signature_required,
            warehouse=order.shipping_warehouse_code,
        ),
        payments=_payments(order),
        note=order.notes,
        gift_message=order.gift_message,
        tags=tuple(tag for tag in map(str.strip, (order.external_tags or "").split(",")) if tag),
        discount_codes=(order.discount_codes,) if order.discount_codes else (),
        custom=order.custom,
    )


def _line(n: int, item: wire.Item, assumed_quantity: Decimal | None) -> Line:
    quantity = item.quantity if item.quantity is not None else assumed_quantity
    if quantity is None:
        field = f"order_items[{n}].quantity"
        raise Malformed(f"order: {field}: missing, and assume_quantity does not say what that means", field)
    chosen = {"color": item.color_description, "size": item.size_description}
    options = {name: value for name, value in chosen.items() if value}
    return Line(
        id=item.external_order_item_id,
        product_id=item.external_product_id,
        sku=item.sku,
        ean=item.upc,
        name=item.name or item.sku or "",
        quantity=quantity,
        unit_price=item.unit_price,
        discount=item.discount_amount or Decimal(0),
        tax=item.tax_amount,
        purchase_price=item.unit_cost,
        gift_wrap=item.gift_wrap,
        note=item.customer_notes,
        options=options | {name: str(value) for option in item.options for name, value in option.items()},
        custom=item.custom,
    )


def _customer(order: wire.Order) -> Customer:
    """Return the customer: id and email address as sent, names and phone of the billing address."""
    bill = order.billing_address or order.shipping_address
    return Customer(
        id=order.external_billing_customer_id,
        first_name=bill.first_name,
        last_name=bill.last_name,
        email=order.customer_email,
        phone=bill.telephone,
    )


def _address(place: wire.Place) -> Address:
    return Address(
        first_name=place.first_name,
        last_name=place.last_name,
        street1=place.street1,
        street2=place.street2,
        city=place.city,
        region=place.region,
        postal_code=place.postal_code,
        country=place.country,
        phone=place.telephone,
    )


def _payments(order: wire.Order) -> tuple[Payment, ...]:
    if order.payment_type is None and order.payment_date is None:
        return ()
    return (Payment(method=order.payment_type, paid_at=order.payment_date),)
