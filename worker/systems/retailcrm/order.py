"""Reads an order of RetailCRM as an `Order`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from schemas.order import Address, Customer, Line, Option, Order, Payment, PickupPoint, Shipping, Status
from schemas.reading import read
from schemas.retailcrm_order import Order as Sent
from schemas.values import clean_deep
from worker.systems.retailcrm.amounts import price_of, totals_of
from worker.systems.retailcrm.leftovers import leftovers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from schemas import retailcrm_order as wire
    from worker.systems.retailcrm.amounts import Price
    from worker.systems.retailcrm.statuses import Reference

#: The key of `Order.custom` that holds what is only kept.
_KIND: Final = "retailcrm"
#: A place without any field.
_NO_PLACE: Final = PickupPoint.model_construct()
#: A time of day as PHP writes it, such as "9:00" or "09:00:00".
_TIME: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::\d\d)?")


def to_order(  # noqa: PLR0913  # each is a fact that the order itself lacks
    raw: Mapping[str, Any],
    *,
    provider: str,
    version: int | None,
    zone: ZoneInfo,
    currency: str | None,
    reference: Reference,
) -> Order:
    """Return the order of the account `provider`, whose time zone is `zone` and whose own currency is `currency`."""
    order, unread = read(Sent, raw)
    cancelled = [bool(item.is_canceled or (item.status and reference.lines[item.status])) for item in order.items]
    active, inactive = ([n for n, cancels in enumerate(cancelled) if cancels is kind] for kind in (False, True))
    prices = {n: price_of(order.items[n], n) for n in active}
    totals = totals_of(order, list(prices.values()))
    result = Order(
        provider=provider,
        external_id=str(order.id),
        display_id=order.number,
        source_id=order.external_id,
        store=order.site,
        version=version,
        status=reference.orders[order.status] or Status.UNKNOWN,
        status_raw=order.status,
        ordered_at=moment(order.created_at, zone),
        # The currency of the account says nothing of an order that names another one.
        currency=order.currency if order.currency or ("currency",) in unread else currency,
        lines=tuple(_line(order.items[n], price) for n, price in prices.items()),
        cancelled_lines=tuple(_line(order.items[n], _stated(order.items[n])) for n in inactive),
        totals=totals,
        customer=_customer(order),
        shipping_address=_address(order),
        shipping=_shipping(order),
        payments=tuple(_payment(payment, zone, reference) for payment in order.payments),
        note=order.customer_comment,
        internal_note=order.manager_comment,
        custom=order.custom_fields,
        uncounted=(_KIND,),
    )
    rest = leftovers(raw, unread, result)
    return result.model_copy(update={"custom": {**result.custom, _KIND: clean_deep(rest)}}) if rest else result


def moment(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment of a local time: the earlier of two in autumn, moved forward in the gap in spring."""
    return local.replace(tzinfo=zone)


def _stated(item: wire.Item) -> Price:
    """Return the price of a cancelled line, as far as it is stated: it counts nowhere."""
    return price_of(item.model_copy(update={"initial_price": item.initial_price or 0}), 0)


def _line(item: wire.Item, price: Price) -> Line:
    offer = item.offer
    return Line(
        id=item.id,
        product_id=offer.id,
        sku=_first(offer.article, offer.external_id, offer.xml_id),
        ean=offer.barcode,
        name=_first(item.product_name, offer.display_name, offer.name) or "",
        quantity=item.quantity,
        unit_price=price.unit,
        discount=price.discount,
        purchase_price=item.purchase_price,
        note=item.comment,
        options=tuple(_options(item.properties)),
    )


def _first(*texts: str | None) -> str | None:
    """Return the first text that is not blank."""
    for text in texts:
        if text and text.strip():
            return text
    return None


def _options(properties: Mapping[str, Any]) -> Iterator[Option]:
    """Yield the options: `{"code": "size", "name": "Size", "value": "XL"}` under any key, or a bare value."""
    for key, entry in properties.items():
        name, value = key, entry
        if isinstance(entry, dict):
            name, value = _text(entry.get("name")) or _text(entry.get("code")) or key, entry.get("value")
        if text := _text(value):
            yield Option(name=name, value=text)


def _text(value: Any) -> str | None:
    """Return a value as text; None if it is missing, or not one value."""
    if value is None or isinstance(value, (dict, list)):
        return None
    text = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
    return text if text.strip() else None


def _customer(order: wire.Order) -> Customer:
    """Return the customer. A company has the names of its contact, or those of the order."""
    person, contact = order.customer, order.contact
    phones = [phone.number for phone in person.phones if phone.number and phone.number.strip()]
    named = next((each for each in (person, contact, order) if _first(each.first_name, each.last_name)), order)
    return Customer(
        id=person.id,
        first_name=named.first_name,
        middle_name=named.patronymic,
        last_name=named.last_name,
        company=_company(order) or person.nick_name,
        email=_first(person.email, contact.email, order.email),
        phone=_first(*phones[:1], order.phone),
        phone2=phones[1] if len(phones) > 1 else None,
        tax_id=_first(order.contragent.inn, order.company.contragent.inn),
    )


def _company(order: wire.Order) -> str | None:
    return _first(order.company.name, order.contragent.legal_name, order.company.contragent.legal_name)


def _address(order: wire.Order) -> Address:
    """Return the address of the receiver, who has the names, phones and email address of the order itself."""
    to = order.delivery.address
    house = [f"{word} {part}" for word, part in (("building", to.house), ("block", to.housing)) if _first(part)]
    inside = [
        f"{word} {part}"
        for word, part in (("entrance", to.block), ("floor", to.floor), ("flat", to.flat))
        if _first(part)
    ]
    street = " ".join(part.strip() for part in (to.street_type, to.street, to.building) if part and part.strip())
    return Address(
        first_name=order.first_name,
        middle_name=order.patronymic,
        last_name=order.last_name,
        company=_company(order),
        street1=", ".join([street, *house]) if street else to.text,
        street2=", ".join(inside),
        city=to.city,
        region=to.region,
        postal_code=to.index,
        country=_first(to.country_iso, order.country_iso),
        phone=order.phone,
        phone2=order.additional_phone,
        email=order.email,
    )


def _shipping(order: wire.Order) -> Shipping:
    delivery, data = order.delivery, order.delivery.data
    start, end, text = _hours(delivery.time)
    return Shipping(
        method=delivery.code,
        carrier=delivery.integration_code,
        description=delivery.service.name,
        note=delivery.address.notes,
        promised_on=delivery.date,
        promised_from=start,
        promised_until=end,
        promised_text=text,
        ship_on=order.shipment_date,
        insured_amount=data.declared_value,
        pickup_point=_pickup_point(data),
        tracking_number=data.track_number,
        warehouse=order.shipment_store,
    )


def _pickup_point(data: wire.DeliveryData) -> PickupPoint | None:
    fields = {
        "id": data.pickuppoint_id,
        "name": data.pickuppoint_name,
        "address": data.pickuppoint_address,
        "phone": data.pickuppoint_phone,
        "hours": data.pickuppoint_schedule,
    }
    place = PickupPoint(**fields) if any(fields.values()) else _NO_PLACE
    return place if place != _NO_PLACE else None


def _hours(time: wire.DeliveryTime) -> tuple[str | None, str | None, str | None]:
    """Return the promised hours, and as text what is no time of day ("after lunch", "24:00")."""
    times = [_time_of_day(text) for text in (time.from_, time.to)]
    unreadable = [text for text, hour in zip((time.from_, time.to), times, strict=True) if _first(text) and not hour]
    if unreadable:
        hours = "-".join(text for text in (time.from_, time.to) if text)
        return None, None, ", ".join(text for text in (hours, time.custom) if text)
    return times[0], times[1], time.custom


def _time_of_day(text: str | None) -> str | None:
    match = _TIME.fullmatch((text or "").strip())
    return f"{int(match[1]):02}:{match[2]}" if match else None


def _payment(payment: wire.Payment, zone: ZoneInfo, reference: Reference) -> Payment:
    """Return a payment. One with a time is paid; else its status says so."""
    paid_at = payment.paid_at and moment(payment.paid_at, zone)
    return Payment(
        id=payment.id,
        method=payment.type,
        status=payment.status,
        amount=payment.amount,
        paid_at=paid_at,
        paid=True if paid_at else reference.payments[payment.status] if payment.status else None,
        note=payment.comment,
    )
