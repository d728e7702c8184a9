"""The normalized order: every provider's record becomes one, and every target receives one."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import to_json

from schemas.building import EXACT, TEXT_LISTS, build
from schemas.values import Country, CurrencyCode, Day, Id, Moment, Money, Number, TimeOfDay, clean, clean_deep

#: The default of a field with a factory: copying a default, as pydantic does, takes four times as long.
_EMPTY: Final[dict[str, Any]] = {"default": {}}


class Part(BaseModel):
    """The base of all parts of an order: frozen, and unknown keys are refused. Blank texts are missing."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    def __init__(self, /, **data: Any) -> None:
        """Build a part from usual values; any other is read or refused by pydantic."""
        if not build(self, data):
            super().__init__(**data)

    # Pydantic calls an `__init__` for each part that it reads, unless it is marked as its own.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @model_validator(mode="before")
    @classmethod
    def _clean(cls, data: Any) -> Any:
        """Clean the texts of every part: only this place decides which text is blank."""
        if not isinstance(data, dict):
            return data
        cleaned = {
            key: value if type(value) is not str or key in EXACT else clean(value) for key, value in data.items()
        }
        for key in _LISTS.intersection(cleaned):
            cleaned[key] = clean_deep(cleaned[key]) if key == "custom" else _texts(cleaned[key])
        return cleaned


#: The fields with texts inside.
_LISTS: Final = TEXT_LISTS | {"custom"}


def _texts(value: Any) -> Any:
    """Return a list of texts without the blank ones, which do not count."""
    if not isinstance(value, (list, tuple)):
        return value
    texts = [clean(text) if isinstance(text, str) else text for text in value]
    return [text for text in texts if text is not None]


class Status(StrEnum):
    """The status of an order, in terms that the statuses of all five systems can be mapped to."""

    NEW = "new"
    PAID = "paid"
    PROCESSING = "processing"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    RETURNED = "returned"
    #: Not to be sent until it moves on: it waits for a person's decision, or for rules that have not run yet.
    ON_HOLD = "on_hold"
    #: No order to be sent: an abandoned cart, a duplicate, or goods that travel with another order.
    EXCLUDED = "excluded"
    UNKNOWN = "unknown"


class Address(Part):
    """An address. Every field may be missing, because some system does not have it."""

    first_name: str | None = None
    #: A second given name or a patronymic.
    middle_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    street1: str | None = None
    street2: str | None = None
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None
    #: ISO 3166-1 alpha-2, however the provider writes it ("nl", "Nederland"); another text only if it names no country.
    country: Country | None = None
    phone: str | None = None
    #: A second number to be called.
    phone2: str | None = None
    email: str | None = None


class Customer(Part):
    """The customer who ordered."""

    id: str | None = None
    first_name: str | None = None
    #: A second given name or a patronymic.
    middle_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    email: str | None = None
    phone: str | None = None
    #: A second number to be called.
    phone2: str | None = None
    #: The number by which the tax office knows the customer (VAT number, INN).
    tax_id: str | None = None


class Option(Part):
    """A choice of the buyer: `name` "size", `value` "XL". Two options may have one name."""

    name: str
    value: str


def _options(value: object) -> object:
    """Return the options of a map as a list, so that a producer may write either. An option without a value is none."""
    if not isinstance(value, dict):
        return value
    chosen = {name: text for name, text in value.items() if not isinstance(text, str) or clean(text)}
    return [{"name": name, "value": text} for name, text in chosen.items() if text is not None]


#: What a producer may write for the options of a line.
_Options = dict[str, str] | list[Option]


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
    #: The options that the buyer chose, in their order. A map ({"size": "XL"}) is accepted as well.
    options: Annotated[tuple[Option, ...], BeforeValidator(_options, json_schema_input_type=_Options)] = ()
    #: Other fields that the provider sends with the line.
    custom: dict[str, Any] = Field(default_factory=dict, json_schema_extra=_EMPTY)

    @model_validator(mode="before")
    @classmethod
    def _name(cls, data: Any) -> Any:
        """Name a line without a name by its ids: people need to see which goods it has."""
        if not isinstance(data, dict) or (isinstance(data.get("name"), str) and clean(data["name"])):
            return data
        ids = (data.get(key) for key in ("sku", "ean", "product_id", "id"))
        return {**data, "name": next((text for text in ids if isinstance(text, str) and clean(text)), None)}

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
    #: Whether the provider says that it is paid; None if it does not say. A payment with a `paid_at` is paid.
    paid: bool | None = None
    note: str | None = None


class PickupPoint(Part):
    """The place where the buyer collects the goods."""

    id: str | None = None
    name: str | None = None
    address: str | None = None
    phone: str | None = None
    hours: str | None = None


class Shipping(Part):
    """The shipping of the goods."""

    method: str | None = None
    carrier: str | None = None
    description: str | None = None
    note: str | None = None
    #: The day that was promised to the customer, and the hours of that day.
    promised_on: Day | None = None
    promised_from: TimeOfDay | None = None
    promised_until: TimeOfDay | None = None
    #: A promise that is neither a day nor hours ("after lunch").
    promised_text: str | None = None
    #: The day before which the goods are not to leave, and the day after which they are not wanted any more.
    ship_on: Day | None = None
    cancel_after: Day | None = None
    signature_required: bool | None = None
    insured_amount: Money | None = None
    #: The account of a third party that pays the carrier, and its code of billing.
    account: str | None = None
    account_code: str | None = None
    pickup_point: PickupPoint | None = None
    tracking_number: str | None = None
    warehouse: str | None = None


class Order(Part):
    """One order of one provider.

    `provider` is the name of the configured account, `external_id` the id by which the provider finds the order;
    together they are the order key. `version` grows with every change of the order at the provider (a history id, or
    the time of the change in microseconds). It decides which of two readings is newer, and is `None` if the provider
    has no version. Only Intake itself sets one below zero (see `tasks/job.py`).
    """

    provider: Id
    external_id: Id
    #: The number that people use. It may not be unique.
    display_id: str | None = None
    #: The id in the system that the provider received the order from (the shop's own id in a CRM).
    source_id: str | None = None
    #: The shop, site or store within the provider's account.
    store: str | None = None
    version: Annotated[int, Field(json_schema_extra={"minimum": 0})] | None = None

    status: Status
    #: The status as the provider names it.
    status_raw: str | None = None
    #: The order was deleted at the provider, or its goods moved into another order (it may be kept there, cancelled).
    removed: Literal["deleted", "combined"] | None = None
    #: The external id of the order that has the goods of a combined order now.
    combined_into: str | None = None
    #: A test order, which must be stored but not shipped.
    test: bool = False

    ordered_at: Moment
    updated_at: Moment | None = None
    currency: CurrencyCode | None = None

    #: The lines to be shipped and charged.
    lines: tuple[Line, ...]
    #: The lines that were cancelled at the provider: never shipped, never charged.
    cancelled_lines: tuple[Line, ...] = ()
    totals: Totals
    # `model_construct`: calling a model would build it now, and not every command needs an order.
    customer: Customer = Customer.model_construct()
    shipping_address: Address = Address.model_construct()
    billing_address: Address | None = None
    shipping: Shipping = Shipping.model_construct()
    payments: tuple[Payment, ...] = ()

    #: The number of the buyer's own purchase order, and of the seller's invoice.
    purchase_order: str | None = None
    invoice_number: str | None = None
    note: str | None = None
    internal_note: str | None = None
    gift_message: str | None = None
    tags: tuple[str, ...] = ()
    discount_codes: tuple[str, ...] = ()
    #: Other fields that the provider sends. What no adapter carries is kept under the kind of the provider, with the
    #: names that the provider uses: `custom["retailcrm"]["orderMethod"]`.
    custom: dict[str, Any] = Field(default_factory=dict, json_schema_extra=_EMPTY)
    #: The keys of `custom` that do not count as a change of the order.
    uncounted: tuple[str, ...] = ()

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
        return self.written().fingerprint

    def written(self) -> Written:
        """Return the order as JSON, without defaults, and its fingerprint: what counts is serialized once for both."""
        counted = self.model_dump_json(exclude_defaults=True, exclude=_EXCLUDED)
        rest = {name: value for name in _APART if (value := self.__dict__[name]) not in _NOTHING}
        digest = hashlib.blake2b(counted.encode(), digest_size=16)
        if custom := {name: value for name, value in self.custom.items() if name not in self.uncounted}:
            digest.update(to_json(custom, inf_nan_mode="null"))
        tail = to_json(rest, inf_nan_mode="null").decode() if rest else ""
        return Written(f"{counted[:-1]},{tail[1:]}" if rest else counted, digest.hexdigest())


class Written(NamedTuple):
    """The JSON of an order, and its fingerprint."""

    text: str
    fingerprint: str


#: Fields that change without the order changing for a target, and the one that does in part.
_APART: Final = ("version", "updated_at", "custom", "uncounted")
_EXCLUDED: Final = set(_APART)
#: The defaults of these fields.
_NOTHING: Final[tuple[object, ...]] = (None, {}, ())
