"""How an order of RetailCRM reads as an `Order`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from schemas.order import Address, Customer, Line, Order, Payment, Shipping, Status, Totals

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal
    from zoneinfo import ZoneInfo

    from schemas import retailcrm as wire

#: The codes of a new account, by their groups approval, assembling, delivery, complete, cancel; it may rename them.
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


def to_order(  # noqa: PLR0913  # each is one thing that an order of theirs does not say of itself
    order: wire.Order,
    *,
    provider: str,
    version: int | None,
    zone: ZoneInfo,
    currency: str | None,
    statuses: Mapping[str, Status],
) -> Order:
    """The order of the account `provider`; local times are of `zone`, and `currency` is the account's own."""
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
        # a cancelled line stays in the list, but is neither part of the amounts nor to be sent to anybody
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
    """The moment that a time of the account means: the earlier of two in autumn, moved forward in spring's gap."""
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
        options=dict(_option(code, said) for code, said in item.properties.items()) if item.properties else {},
    )


def _discount(item: wire.Item) -> Decimal:
    """What the whole line is cheaper by; the order's own discounts are in it, so `Totals.discount` stays empty.

    The final prices say it to the cent. `discount_total` is rounded, and for one piece: no page that we have says so,
    but clients at work take it off the price of one.
    """
    if item.prices and sum(price.quantity for price in item.prices) == item.quantity:
        return item.initial_price * item.quantity - sum(price.price * price.quantity for price in item.prices)
    return (item.discount_total or 0) * item.quantity


def _option(code: str, said: Any) -> tuple[str, str]:
    """A property is `{"name": "Size", "value": "XL"}` under its code, or the bare value."""
    if isinstance(said, dict):
        return str(said.get("name") or code), str(said.get("value", ""))
    return code, str(said)


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
    """The order's own names, phone and mail are the receiver's."""
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
