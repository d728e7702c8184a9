"""Reads an order of RetailCRM as an `Order`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from schemas.order import Address, Customer, Line, Order, Payment, Shipping, Status, Totals

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal
    from zoneinfo import ZoneInfo

    from schemas import retailcrm as wire

#: The codes of a new account, by their groups approval, assembling, delivery, complete, cancel. Accounts may differ.
STATUSES: Final[Mapping[str, Status]] = {
    "new": Status.NEW,
    "prepayed": Status.PAID,
    **dict.fromkeys(("availability-confirmed", "offer-analog", "client-confirmed"), Status.PROCESSING),
    **dict.fromkeys(("send-to-assembling", "assembling", "assembling-complete"), Status.PROCESSING),
    **dict.fromkeys(("send-to-delivery", "delivering", "redirect"), Status.SHIPPED),
    **dict.fromkeys(("ready-for-self-pickup", "arrived-in-pickup-point"), Status.SHIPPED),
    **dict.fromkeys(("complete", "partially-completed"), Status.DELIVERED),
    **dict.fromkeys(("no-call", "no-product", "already-buyed", "cancel-other"), Status.CANCELLED),
    **dict.fromkeys(("delyvery-did-not-suit", "prices-did-not-suit"), Status.CANCELLED),
    **dict.fromkeys(("return", "returned"), Status.RETURNED),
}


def to_order(  # noqa: PLR0913  # each is a fact that the order itself lacks
    order: wire.Order,
    *,
    provider: str,
    version: int | None,
    zone: ZoneInfo,
    currency: str | None,
    statuses: Mapping[str, Status],
) -> Order:
    """Return the order of the account `provider`, whose time zone is `zone` and whose own currency is `currency`."""
    delivery, comment = order.delivery, order.customer_comment
    return Order(
        provider=provider,
        external_id=str(order.id),
        display_id=order.number,
        source_id=order.external_id,
        store=order.site,
        version=version,
        status=statuses.get(order.status, Status.UNKNOWN),
        status_raw=order.status,
        ordered_at=moment(order.created_at, zone),
        currency=order.currency or currency,
        # A cancelled line stays in the list, but it is neither part of the amounts nor shipped.
        lines=tuple(_line(item) for item in order.items if not item.is_canceled),
        totals=Totals(items=order.summ, shipping=delivery.cost, grand=order.total_summ),
        customer=_customer(order),
        shipping_address=_address(order),
        shipping=Shipping(
            method=delivery.code,
            carrier=delivery.integration_code,
            description=delivery.service.name,
            note=delivery.address.notes or None,
            promised_on=delivery.date,
            warehouse=order.shipment_store,
        ),
        payments=tuple(_payment(payment, zone) for payment in order.payments),
        note=comment or None,
        internal_note=order.manager_comment or None,
        custom=order.custom_fields,
    )


def moment(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment of a local time: the earlier of two in autumn, moved forward in the gap in spring."""
    return local.replace(tzinfo=zone)


def _line(item: wire.Item) -> Line:
    offer = item.offer
    sku = offer.article or offer.external_id or offer.xml_id
    return Line(
        id=item.id,
        product_id=offer.id,
        sku=sku,
        ean=offer.barcode or None,
        name=item.product_name or offer.display_name or offer.name or sku or "",
        quantity=item.quantity,
        unit_price=item.initial_price,
        discount=_discount(item),
        purchase_price=item.purchase_price,
        note=item.comment or None,
        options=dict(_option(code, value) for code, value in item.properties.items()) if item.properties else {},
    )


def _discount(item: wire.Item) -> Decimal:
    """Return the discount of the whole line. It includes the order's discounts, so `Totals.discount` stays empty.

    The final prices are exact to the cent. `discount_total` is rounded, and for one piece: that is not documented, but
    existing clients subtract it from the price of one piece.
    """
    if item.prices and sum(price.quantity for price in item.prices) == item.quantity:
        return item.initial_price * item.quantity - sum(price.price * price.quantity for price in item.prices)
    return (item.discount_total or 0) * item.quantity


def _option(code: str, value: Any) -> tuple[str, str]:
    """Return name and value of a property: `{"name": "Size", "value": "XL"}` under its code, or the bare value."""
    if isinstance(value, dict):
        return str(value.get("name") or code), str(value.get("value", ""))
    return code, str(value)


def _customer(order: wire.Order) -> Customer:
    person = order.customer
    return Customer(
        id=person.id,
        first_name=person.first_name or order.first_name or None,
        last_name=person.last_name or order.last_name or None,
        company=order.company.name or person.nick_name or None,
        email=person.email or order.email or None,
        phone=(person.phones[0].number if person.phones else None) or order.phone or None,
    )


def _address(order: wire.Order) -> Address:
    """Return the address of the receiver, who has the names, phone and email address of the order itself."""
    to = order.delivery.address
    house = [f"{word} {part}" for word, part in (("building", to.house), ("block", to.housing)) if part]
    inside = [
        f"{word} {part}" for word, part in (("entrance", to.block), ("floor", to.floor), ("flat", to.flat)) if part
    ]
    street = " ".join(filter(None, (to.street_type, to.street, to.building)))
    return Address(
        first_name=order.first_name or None,
        last_name=order.last_name or None,
        company=order.company.name or None,
        street1=", ".join([street, *house]) if street else to.text or None,
        street2=", ".join(inside) or None,
        city=to.city or None,
        region=to.region or None,
        postal_code=to.index or None,
        country=to.country_iso or order.country_iso or None,
        phone=order.phone or None,
        email=order.email or None,
    )


def _payment(payment: wire.Payment, zone: ZoneInfo) -> Payment:
    return Payment(
        id=payment.id,
        method=payment.type,
        status=payment.status,
        amount=payment.amount,
        paid_at=payment.paid_at and moment(payment.paid_at, zone),
    )
