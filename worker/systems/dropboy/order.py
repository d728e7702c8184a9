"""Reads an order of Dropboy, which is a transport job, as an `Order`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from schemas import dropboy as wire
from schemas.gtin import is_gtin
from schemas.minor_units import from_minor
from schemas.order import Address, Customer, Line, Order, Shipping, Status, Totals
from schemas.reading import kept

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from schemas.reading import Path

#: `inTransit` and `onHold` are words of its webhooks. Of the others no document lists any: these are the plain words,
#: in small letters without anything between them.
STATUSES: Final[Mapping[str, Status]] = {
    **dict.fromkeys(("created", "new"), Status.NEW),
    **dict.fromkeys(("assigned", "planned"), Status.PROCESSING),
    **dict.fromkeys(("intransit", "pickedup"), Status.SHIPPED),
    "delivered": Status.DELIVERED,
    **dict.fromkeys(("canceled", "cancelled", "deleted"), Status.CANCELLED),
    "returned": Status.RETURNED,
    "onhold": Status.ON_HOLD,
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = timedelta(days=1)


class Account(NamedTuple):
    """The facts that an order does not show."""

    name: str
    currency: str | None
    zone: ZoneInfo | None
    statuses: Mapping[str, Status]


def to_order(job: wire.Order, raw: Mapping[str, Any], unread: tuple[Path, ...], made: datetime, of: Account) -> Order:
    """Return the order of an account, placed at `made`. Its amount is used if the currency is known.

    Cargo has no prices: its lines have the price 0, and the price of the job is that of the transport.
    """
    to = _address(job.destination) if job.destination else Address()
    amount = job.price.amount if job.price else None
    price = from_minor(amount, of.currency) if amount is not None and of.currency else None
    rest = kept(wire.Order, raw, unread)
    if price is None and amount is not None:
        rest["price"] = raw["price"]
    return Order(
        provider=of.name,
        external_id=job.id,
        display_id=job.wuxus_number or job.order_number,
        source_id=job.order_number,
        version=None if job.changed is None else (job.changed - _EPOCH) // timedelta(microseconds=1),
        status=status_of(job.status, of.statuses),
        status_raw=job.status,
        ordered_at=made,
        updated_at=job.changed,
        currency=of.currency,
        lines=tuple(map(_line, job.cargo)),
        totals=Totals(shipping=price, grand=price),
        customer=_customer(job),
        shipping_address=to,
        shipping=_shipping(job.destination, of.zone),
        purchase_order=job.requisition,
        note=job.comments,
        tags=tuple(job.routing_tags),
        custom={
            **({"customFields": job.custom_fields} if job.custom_fields else {}),
            **({"dropboy": rest} if rest else {}),
        },
        uncounted=("dropboy",) if rest else (),
    )


def status_of(word: str | None, statuses: Mapping[str, Status]) -> Status:
    """Return the status for a word, by the account's own `statuses` first."""
    plain = "".join(filter(str.isalnum, (word or "").lower()))
    return statuses.get(word or "", STATUSES.get(plain, Status.UNKNOWN))


def _line(piece: wire.Cargo) -> Line:
    """Return the line of a cargo. Its barcode names a piece of this transport, and only a GTIN names goods."""
    return Line(
        id=piece.cargo_id or piece.barcode,
        ean=piece.barcode if piece.barcode and is_gtin(piece.barcode) else None,
        name=piece.type or piece.barcode or "cargo",
        quantity=piece.amount,
        unit_price=Decimal(0),
        custom={"barcode": piece.barcode} if piece.cargo_id and piece.barcode else {},
    )


def _customer(job: wire.Order) -> Customer:
    """Return the receiver of the job, or else who the cargo goes to. A name is one text, which is not split."""
    person = job.receiver or job.destination or wire.Person()
    return Customer(last_name=person.attention, company=person.company_name, email=person.email, phone=person.phone)


def _address(to: wire.Party) -> Address:
    """Return the address that the cargo goes to."""
    return Address(
        last_name=to.attention,
        company=to.company_name,
        street1=to.address,
        street2=to.extra_info,
        city=to.city,
        postal_code=to.zip_code,
        country=to.country_code,
        phone=to.phone,
        email=to.email,
    )


def _shipping(to: wire.Party | None, zone: ZoneInfo | None) -> Shipping:
    """Return the note and the promised time: a day and hours in the time zone of the account, or else a text."""
    if to is None:
        return Shipping()
    window = to.time_window
    start, end = window.start, window.end
    kind = (window.time_type or "between").lower()
    start, end = (None if kind == "before" and end else start), (None if kind == "after" and start else end)
    first = start or end
    if first is None:
        return Shipping(note=to.comments)
    if zone is None or (start and end and not timedelta(0) < end - start <= _DAY + timedelta(hours=1)):
        return Shipping(
            note=to.comments, promised_text=" - ".join(f"{at:%Y-%m-%d %H:%M} UTC" for at in (start, end) if at)
        )
    day, hours = first.astimezone(zone), tuple(at and f"{at.astimezone(zone):%H:%M}" for at in (start, end))
    if kind == "anytime" or hours == ("00:00", "00:00"):
        hours = (None, None)
    return Shipping(note=to.comments, promised_on=f"{day:%Y-%m-%d}", promised_from=hours[0], promised_until=hours[1])
