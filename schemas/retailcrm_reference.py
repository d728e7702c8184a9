"""The reference data of a RetailCRM account (API version 5): its own codes, and what its API key may do."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field

from schemas.retailcrm import Pagination, Wire
from schemas.wire import List

T = TypeVar("T")


def _entries(value: object) -> object:
    """Return the entries of an object by code as a list: an entry without a `code` has its key as the code."""
    if isinstance(value, dict):
        return [{"code": key, **entry} if isinstance(entry, dict) else entry for key, entry in value.items()]
    return [] if value is None else value


#: A list of reference data, which is an object by code.
Entries = Annotated[list[T], BeforeValidator(_entries)]


class Entry(Wire):
    """One code of the account."""

    code: str
    name: str | None = None
    active: bool | None = None


class StatusEntry(Entry):
    """A status of orders. The groups of a new account are new, approval, assembling, delivery, complete and cancel."""

    group: str | None = None


class ProductStatusEntry(Entry):
    """A status of lines."""

    cancel_status: bool | None = None


class PaymentStatusEntry(Entry):
    """A status of payments."""

    payment_complete: bool | None = None


class Statuses(Wire):
    """`GET /reference/statuses`."""

    statuses: Entries[StatusEntry]


class ProductStatuses(Wire):
    """`GET /reference/product-statuses`."""

    product_statuses: Entries[ProductStatusEntry]


class PaymentStatuses(Wire):
    """`GET /reference/payment-statuses`."""

    payment_statuses: Entries[PaymentStatusEntry]


class Codes(Wire):
    """`GET /reference/delivery-types` and its kin: the only field is a list of entries."""

    entries: Entries[Entry]

    @classmethod
    def of(cls, body: Any, key: str) -> Codes:
        """Return the entries under `key`, such as `deliveryTypes`."""
        return cls.model_validate({"entries": body[key] if isinstance(body, dict) and key in body else "none"})


class CustomField(Wire):
    """One own field of the account."""

    code: str


class CustomFields(Wire):
    """`GET /custom-fields` (api-client-php, `ResourceGroup/CustomFields`): one page."""

    custom_fields: List[CustomField]
    pagination: Pagination


class Credentials(Wire):
    """`GET /api/credentials`: what the key may do, and which sites it reaches (`access_full`: all)."""

    scopes: List[str] = Field(default_factory=list)
    site_access: str | None = None
    sites_available: List[str] = Field(default_factory=list)
