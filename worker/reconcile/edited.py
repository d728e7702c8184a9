"""Fields that differ because people changed them in the target, and fields that a repair has to write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas.changes import Changes, with_unknown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.order import Order

#: The leaves of an order that a field of a view shows, by the names of fields that people may change in the target.
_PEOPLES: Final = {
    "first_name": ("shipping_address.first_name", "customer.first_name", "customer.company"),
    "last_name": ("shipping_address.last_name", "customer.last_name", "customer.company"),
    "company": ("shipping_address.company", "customer.company"),
    "email": ("shipping_address.email", "customer.email"),
    "phone": ("shipping_address.phone", "customer.phone"),
    "street": ("shipping_address",),
    "postal_code": ("shipping_address.postal_code",),
    "city": ("shipping_address.city",),
    "region": ("shipping_address.region",),
    "country": ("shipping_address.country",),
    **{
        f"billing_{name}": ("billing_address", "customer")
        for name in (
            "first_name",
            "last_name",
            "company",
            "phone",
            "street",
            "postal_code",
            "city",
            "region",
            "country",
        )
    },
    "promised_on": ("shipping.promised_on",),
    "note": ("note", "gift_message"),
}
#: The same of goods and amounts, which must be equal on both sides, and of a cancellation.
_OURS: Final = {
    "goods": ("lines",),
    "prices": ("lines", "totals"),
    "shipping": ("totals.shipping",),
    "tax": ("totals.tax",),
    "fees": ("totals.fees",),
    "total": ("lines", "totals"),
    "cancelled": ("status",),
}


def edited(fields: Iterable[str], sent: bytes, order: Order) -> frozenset[str]:
    """Return the fields that people changed in the target: it confirmed what the source has, and shows something else.

    Goods, amounts and cancellations are never among them: a difference there is a fault, even if a person made it.
    """
    changes = Changes.between(sent, order)
    return frozenset(
        name for name in fields if changes.known and name in _PEOPLES and not changes.touches(*_PEOPLES[name])
    )


def to_write(fields: Iterable[str], sent: bytes) -> bytes:
    """Return the memory with which an update writes these fields, whatever it writes besides."""
    paths: list[str] = []
    for name in fields:
        known = _PEOPLES.get(name) or _OURS.get(name)
        if known is None:
            return b""  # a field of an adapter of another package: everything is written
        paths += known
    return with_unknown(sent, *paths)
