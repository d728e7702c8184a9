"""Reads an order of DropStream as an `Order`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from schemas.dropstream_order import Order as Sent
from schemas.dropstream_order import Place
from schemas.order import Address, Customer, Line, Order, Payment, Shipping, Status
from schemas.reading import read
from worker.errors import Malformed
from worker.systems.dropstream.amounts import totals_of, weight_in_kg
from worker.systems.dropstream.leftovers import with_leftovers
from worker.systems.dropstream.options import options_of
from worker.systems.dropstream.statuses import status_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas import dropstream_order as wire

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: An address without any field.
_NOWHERE: Final = Place.model_construct()


def to_order(
    raw: Mapping[str, Any], *, provider: str, status_map: Mapping[str, Status], assumed_quantity: Decimal | None
) -> Order:
    """Return the order of the account `provider`. An item without a quantity has the assumed one, or is Malformed.

    Canceled items are neither shipped nor charged: the order is cancelled if all of its items are. `Totals.grand` stays
    empty: it is not sent.
    """
    order, unread = read(Sent, raw)
    imported, moved = order.created_at or order.ordered_at, order.fulfillment_transitioned_at
    if imported is None:
        raise Malformed("order: ordered_at: missing, as is created_at", "ordered_at")
    lines, cancelled = _lines(order.order_items, assumed_quantity)
    return with_leftovers(
        Order(
            provider=provider,
            external_id=str(order.id),
            display_id=order.external_display_id,
            source_id=order.external_id,
            store=order.store_id,
            version=(max(moved or imported, imported) - _EPOCH) // timedelta(microseconds=1),
            status=Status.CANCELLED if cancelled and not lines else status_of(order.fulfillment_state, status_map),
            status_raw=order.fulfillment_state,
            ordered_at=order.ordered_at or imported,
            updated_at=moved,
            currency=order.currency_code,
            lines=tuple(lines),
            cancelled_lines=tuple(cancelled),
            totals=totals_of(order),
            customer=_customer(order),
            shipping_address=_address(order.shipping_address),
            billing_address=_address(order.billing_address) if order.billing_address != _NOWHERE else None,
            shipping=_shipping(order),
            payments=_payments(order),
            purchase_order=order.purchase_order_id,
            invoice_number=order.invoice_number,
            note=order.notes,
            gift_message=order.gift_message,
            tags=tuple((order.external_tags or "").split(",")),
            discount_codes=(order.discount_codes,) if order.discount_codes else (),
            custom=order.custom,
        ),
        raw,
        order,
        unread,
    )


def _lines(items: list[wire.Item], assumed_quantity: Decimal | None) -> tuple[list[Line], list[Line]]:
    """Return the lines to be shipped, and the canceled ones, of which quantity and price count nowhere."""
    lines, cancelled = [], []
    for n, item in enumerate(items):
        quantity = assumed_quantity if item.quantity is None else item.quantity
        if item.canceled:
            cancelled.append(_line(item, quantity or Decimal(0), item.unit_price or Decimal(0)))
            continue
        if quantity is None:
            field = f"order_items[{n}].quantity"
            raise Malformed(f"order: {field}: missing, and assume_quantity is not set", field)
        if item.unit_price is None:
            field = f"order_items[{n}].unit_price"
            raise Malformed(f"order: {field}: missing", field)
        lines.append(_line(item, quantity, item.unit_price))
    return lines, cancelled


def _line(item: wire.Item, quantity: Decimal, price: Decimal) -> Line:
    return Line(
        id=item.external_order_item_id or item.id,
        product_id=item.external_product_id,
        sku=item.sku,
        ean=item.upc,
        name=item.name or "",
        quantity=quantity,
        unit_price=price,
        discount=item.discount_amount or Decimal(0),
        tax=item.tax_amount,
        purchase_price=item.unit_cost,
        weight=weight_in_kg(item),
        category=item.product_type,
        gift_wrap=item.gift_wrap,
        note=item.customer_notes,
        options=options_of(item),
        custom=item.custom,
    )


def _customer(order: wire.Order) -> Customer:
    """Return the customer: id and email address as sent, names and phone of the billing address."""
    bill = order.billing_address if order.billing_address != _NOWHERE else order.shipping_address
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


def _shipping(order: wire.Order) -> Shipping:
    return Shipping(
        method=order.shipping_carrier_service_level,
        carrier=order.shipping_carrier_name,
        description=order.external_shipping_description,
        note=order.shipping_notes,
        ship_on=order.requested_ship_date,
        cancel_after=order.requested_cancel_date,
        signature_required=order.signature_required,
        insured_amount=order.insured_amount,
        account=order.third_party_account_number,
        account_code=order.third_party_billing_code,
        warehouse=order.shipping_warehouse_code or order.fulfillment_warehouse_id,
    )


def _payments(order: wire.Order) -> tuple[Payment, ...]:
    """Return the payment, of which neither the amount nor a status is sent: one with a date is paid."""
    if order.payment_type is None and order.payment_date is None:
        return ()
    return (Payment(method=order.payment_type, paid_at=order.payment_date),)
