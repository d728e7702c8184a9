"""The normalized order: every provider's record becomes one, and every target receives one."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

_WHOLE: Final = Decimal(1)


def _no_float(value: object) -> object:
    """Refuse a float before it becomes a Decimal: a float such as 0.1 is not exact."""
    if isinstance(value, float):
        raise ValueError("an amount must be a Decimal, an int or a string, never a float")  # noqa: TRY004
    return value


@lru_cache(4096)
def _plain(value: Decimal) -> Decimal:
    """Return the one form of a number, so that 9.90 in a list and 9.9 in a single read have the same fingerprint.

    Results are cached: the function is called for every number, and orders hold few different ones.
    """
    if value == value.to_integral_value():
        return value.quantize(_WHOLE)
    return value.normalize()


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time before the year 1 or after 9999") from None


#: An amount of money in whole currency units (12.5 = twelve and a half), exact.
Money = Annotated[
    Decimal,
    # First, so that pydantic checks it in compiled code.
    Field(allow_inf_nan=False, max_digits=28),
    BeforeValidator(_no_float),
    AfterValidator(_plain),
]
#: A quantity, weight or share: exact like money.
Number = Money
#: A moment, always with a zone, always UTC.
Moment = Annotated[AwareDatetime, AfterValidator(_utc)]
#: An id of another system: opaque, not empty, without control characters and outer blanks.
Id = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=255, pattern=r"^[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?$"
    ),
]


#: The default of a field with a factory: copying a default, as pydantic does, takes four times as long.
_EMPTY: Final[dict[str, Any]] = {"default": {}}


class Part(BaseModel):
    """The base of all parts of an order: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Status(StrEnum):
    """The status of an order, in terms that the statuses of all five systems can be mapped to."""

    NEW = "new"
    PAID = "paid"
    PROCESSING = "processing"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    RETURNED = "returned"
    UNKNOWN = "unknown"


class Address(Part):
    """An address. Every field may be missing, because some system does not have it."""

    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    street1: str | None = None
    street2: str | None = None
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None
    #: ISO 3166-1 alpha-2 if the provider sends a code, else the text that it sends ("Netherlands").
    country: str | None = None
    phone: str | None = None
    email: str | None = None


class Customer(Part):
    """The customer who ordered."""

    id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    email: str | None = None
    phone: str | None = None


class Line(Part):
    """One line of an order.

    Amounts are for the whole line except `unit_price`:
    ``total = unit_price * quantity - discount`` (+ `tax`, if tax is not part of the prices).
    """

    id: str | None = None
    product_id: str | None = None
    sku: str | None = None
    ean: str | None = None
    name: str
    quantity: Number
    unit_price: Money
    discount: Money = Decimal(0)
    tax: Money | None = None
    purchase_price: Money | None = None
    #: In kilograms.
    weight: Number | None = None
    brand: str | None = None
    category: str | None = None
    supplier: str | None = None
    image_url: str | None = None
    gift_wrap: bool | None = None
    note: str | None = None
    #: The options that the buyer chose ("size": "XL").
    options: dict[str, str] = Field(default_factory=dict, json_schema_extra=_EMPTY)
    #: Other fields that the provider sends with the line.
    custom: dict[str, Any] = Field(default_factory=dict, json_schema_extra=_EMPTY)

    @property
    def subtotal(self) -> Decimal:
        """The price of the line without tax on top: unit price by quantity, minus the discount."""
        return self.unit_price * self.quantity - self.discount


class Totals(Part):
    """The amounts of the whole order as the provider states them. `None` is not stated; zero is stated."""

    items: Money | None = None
    shipping: Money | None = None
    discount: Money | None = None
    tax: Money | None = None
    fees: Money | None = None
    grand: Money | None = None


class Payment(Part):
    """One payment: made, due or failed."""

    id: str | None = None
    method: str | None = None
    status: str | None = None
    amount: Money | None = None
    paid_at: Moment | None = None


class Shipping(Part):
    """The shipping of the goods."""

    method: str | None = None
    carrier: str | None = None
    description: str | None = None
    note: str | None = None
    #: The day that was promised to the customer, as `YYYY-MM-DD`: a day has no time zone.
    promised_on: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None
    signature_required: bool | None = None
    warehouse: str | None = None


class Order(Part):
    """One order of one provider.

    `provider` is the name of the configured account, `external_id` the id by which the provider finds the order;
    together they are the order key. `version` grows with every change of the order at the provider (a history id, or
    the time of the change in microseconds). It decides which of two readings is newer, and is `None` if the provider
    has no version.
    """

    provider: Id
    external_id: Id
    #: The number that people use. It may not be unique.
    display_id: str | None = None
    #: The id in the system that the provider received the order from (the shop's own id in a CRM).
    source_id: str | None = None
    #: The shop, site or store within the provider's account.
    store: str | None = None
    version: int | None = Field(default=None, ge=0)

    status: Status
    #: The status as the provider names it.
    status_raw: str | None = None
    #: A test order, which must be stored but not shipped.
    test: bool = False

    ordered_at: Moment
    updated_at: Moment | None = None
    #: ISO 4217, upper case.
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] | None = None

    lines: tuple[Line, ...]
    totals: Totals
    customer: Customer = Customer()
    shipping_address: Address = Address()
    billing_address: Address | None = None
    shipping: Shipping = Shipping()
    payments: tuple[Payment, ...] = ()

    note: str | None = None
    internal_note: str | None = None
    gift_message: str | None = None
    tags: tuple[str, ...] = ()
    discount_codes: tuple[str, ...] = ()
    custom: dict[str, Any] = Field(default_factory=dict, json_schema_extra=_EMPTY)

    @property
    def key(self) -> str:
        """The order key: `provider:external_id`."""
        return f"{self.provider}:{self.external_id}"

    @property
    def _net(self) -> Decimal:
        """Lines, shipping and fees, minus the discount, without the tax."""
        lines = sum((line.subtotal for line in self.lines), Decimal(0))
        return lines + (self.totals.shipping or 0) + (self.totals.fees or 0) - (self.totals.discount or 0)

    @property
    def grand_total(self) -> Decimal:
        """The amount that the customer pays: as stated, or calculated if the provider states no grand total.

        A calculated total adds the tax: the provider without a total (DropStream) states prices without tax.
        """
        return self._net + (self.totals.tax or 0) if self.totals.grand is None else self.totals.grand

    @property
    def adds_up(self) -> bool | None:
        """Whether lines and amounts add up to the grand total; None if the provider states no grand total.

        Tax may be part of the prices or come on top. Providers do not state which, so either is accepted.
        """
        if self.totals.grand is None:
            return None
        return self.totals.grand in {self._net, self._net + (self.totals.tax or 0)}

    def fingerprint(self) -> str:
        """Return 32 hex digits that change when any field changes that matters to a target."""
        text = self.model_dump_json(exclude=_NOT_FOR_TARGETS)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


#: Fields that change without the order changing for a target.
_NOT_FOR_TARGETS: Final = {"version", "updated_at"}
