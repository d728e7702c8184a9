"""Reads an order of Dropboy, which is a transport job, as an `Order`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from schemas.minor_units import from_minor
from schemas.order import Address, Customer, Line, Order, Status, Totals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas import dropboy as wire

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: The fields that go into `Order.custom`. The others are carried, or hold personal data.
_KEPT: Final = ("requisition", "wuxusNumber", "orderType", "price", "pickuped", "paidBy", "customFields", "routingTags")


def to_order(  # noqa: PLR0913  # each is a fact about the account
    job: wire.Order,
    raw: Mapping[str, Any],
    *,
    provider: str,
    made: datetime,
    currency: str | None,
    statuses: Mapping[str, Status],
) -> Order:
    """Return the order of the account `provider`, placed at `made`. Its amount is used if the `currency` is known.

    Cargo has no prices: its lines have the price 0.
    """
    to = _address(job.destination) if job.destination else Address()
    amount = job.price.amount if job.price and currency else None
    return Order(
        provider=provider,
        external_id=job.id,
        display_id=job.wuxus_number or job.order_number,
        source_id=job.order_number,
        version=None if job.changed is None else (job.changed - _EPOCH) // timedelta(microseconds=1),
        status=statuses.get(job.status or "", Status.UNKNOWN),
        status_raw=job.status,
        ordered_at=made,
        updated_at=job.changed,
        currency=currency,
        lines=tuple(Line(name=piece.type, quantity=piece.amount, unit_price=Decimal(0)) for piece in job.cargo),
        totals=Totals(grand=from_minor(amount, currency) if amount is not None and currency else None),
        customer=Customer(last_name=to.last_name, company=to.company, email=to.email, phone=to.phone),
        shipping_address=to,
        note=job.comments or (job.destination.comments if job.destination else None) or None,
        custom={name: raw[name] for name in _KEPT if raw.get(name) not in (None, "", [], {})},
    )


def _address(to: wire.Party) -> Address:
    """Return the address that the cargo goes to. Its name is one text, which is not split."""
    return Address(
        last_name=to.attention or None,
        company=to.company_name or None,
        street1=to.address or None,
        street2=to.extra_info or None,
        city=to.city or None,
        postal_code=to.zip_code or None,
        country=to.country_code or None,
        phone=to.phone or None,
        email=to.email or None,
    )
