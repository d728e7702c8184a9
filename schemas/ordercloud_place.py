"""The addresses of OrderCloud: complete, or not sent at all. What they cannot hold stands in `xp.Intake`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from schemas.countries import country_code
from schemas.ordercloud_mark import shortened
from schemas.receiver import given_names, receiver_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schemas.changes import Changes
    from schemas.order import Address, Order

#: Characters that each field holds.
_WIDTH: Final = 100
#: The countries for which OrderCloud requires `State` and `Zip`.
_WITH_STATE: Final = frozenset({"US", "CA"})
#: The fields of an address of ours that each field of OrderCloud is made of.
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "CompanyName": ("company",),
    "FirstName": ("first_name", "middle_name"),
    "LastName": ("last_name",),
    "Street1": ("street1",),
    "Street2": ("street2",),
    "City": ("city",),
    "State": ("region",),
    "Zip": ("postal_code",),
    "Country": ("country",),
    "Phone": ("phone", "phone2"),
}
#: The fields that are taken from the customer, or from the billing address, if the address has none.
_PERSONAL: Final = frozenset({"CompanyName", "FirstName", "LastName", "Phone"})

#: A body of `shipto` or `billto`.
Place = dict[str, Any]


def ship_to(order: Order, country: str | None) -> tuple[Place, list[str]]:
    """Return the shipping address, and the fields of `Order` that OrderCloud requires and the address lacks.

    Without a street it is no address to ship to, such as the country of an order that is collected: it is not sent.
    `country` is that of an address that names none.
    """
    place = _place(receiver_of(order), country)
    return (place, _lacking(place)) if place.get("Street1") else ({}, [])


def bill_to(order: Order, country: str | None) -> Place:
    """Return the billing address; empty if there is none, or not a complete one."""
    at = order.billing_address
    if at is None:
        return {}
    if not (at.first_name or at.last_name or at.company):
        people = order.customer
        names = {"first_name": people.first_name, "middle_name": people.middle_name, "last_name": people.last_name}
        at = at.model_copy(update={**names, "company": people.company})
    place = _place(at, country)
    place.setdefault("Phone", order.customer.phone and shortened(order.customer.phone, _WIDTH))
    return {} if not place.get("Street1") or _lacking(place) else {k: v for k, v in place.items() if v}


def patched(existing: Mapping[str, Any], changed: Place) -> Place:
    """Return an address that is there, with what changed."""
    kept = {name: value for name, value in existing.items() if name in _FIELDS or name in {"AddressName", "xp"}}
    return {name: value for name, value in {**kept, **changed}.items() if value is not None}


def changed_place(place: Place, part: str, order: Order, changes: Changes) -> Place:
    """Return the fields that changed in `part` of the order ("shipping_address"); a None removes one."""
    at: Address | None = getattr(order, part)
    changed: Place = {}
    for name, fields in _FIELDS.items():
        parts = [part]
        if name in _PERSONAL and not any(at and getattr(at, field) for field in fields):
            parts += ["customer", "billing_address"]
        if changes.touches(*(f"{each}.{field}" for each in parts for field in fields)):
            changed[name] = place.get(name)
    return changed


def _place(at: Address, country: str | None) -> Place:
    code = country_code(at.country) if at.country else country
    texts = {
        "CompanyName": at.company,
        "FirstName": given_names(at),
        "LastName": at.last_name,
        "Street1": at.street1,
        "Street2": at.street2,
        "City": at.city,
        "State": at.region,
        "Zip": at.postal_code,
        "Country": code,
        "Phone": at.phone or at.phone2,
    }
    return {name: shortened(text, _WIDTH) for name, text in texts.items() if text}


def _lacking(place: Place) -> list[str]:
    required: Iterable[str] = ("City", "Country")
    if place.get("Country") in _WITH_STATE:
        required = (*required, "State", "Zip")
    return [_FIELDS[name][0] for name in required if name not in place]
