"""The answers of OrderCloud: the fields that Intake reads.

Keys are PascalCase (except "xp"), times are UTC with up to seven digits of a fraction, amounts are JSON numbers. It is
not documented which keys may be null or absent: every field that an order can be read without may be either.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_pascal

from schemas.values import Id, Moment, Money, Number

T = TypeVar("T")


def _set(value: object) -> object:
    """Return None for an empty text, which means "not set"."""
    return None if value == "" else value


def _object(value: object) -> object:
    return {} if value is None else value


def _list(value: object) -> object:
    return [] if value is None else value


def _extended(value: object) -> object:
    """Return `xp` as an object. It may be any JSON: any other value is kept under the key `xp`."""
    if value is None or isinstance(value, dict):
        return value or {}
    return {"xp": value}


Maybe = Annotated[T | None, BeforeValidator(_set)]
Object = Annotated[T, BeforeValidator(_object)]
List = Annotated[list[T], BeforeValidator(_list)]
Extended = Annotated[dict[str, Any], BeforeValidator(_extended), Field(alias="xp")]


class Wire(BaseModel):
    """A part of an answer: unknown keys are ignored, because new ones are added over time."""

    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True, alias_generator=to_pascal)


class Token(BaseModel):
    """`POST /oauth/token`. The token is sent in a header, so it may have only the characters of a header.

    `refresh_token` is present if the API client is configured for it.
    """

    access_token: Annotated[str, StringConstraints(pattern=r"^[!-~]+$")]
    refresh_token: Maybe[str] = None


class Fault(Wire):
    """One error. `Data`, which is not read, is null, an object or a list."""

    error_code: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.]{1,80}$")]


class Faults(Wire):
    """The body of an error."""

    errors: Annotated[list[Fault], Field(min_length=1)]


class Meta(Wire):
    """The size of a page, as the server uses it, and the number of all items."""

    page_size: int | None = None
    total_count: int | None = None


class Rows(Wire):
    """One page of a list, with the items as sent."""

    meta: Meta
    items: list[dict[str, Any]]

    def more_after(self, page: int, requested: int) -> bool:
        """Return whether another page follows: this page is full, or the count is higher. An empty page is the last."""
        size = min(self.meta.page_size or requested, requested)
        return bool(self.items) and (len(self.items) >= size or page * size < (self.meta.total_count or 0))


class Row(Wire):
    """The fields of a row that are needed to read its order. Some searches return carts as well."""

    id: Annotated[Id, Field(alias="ID")]
    status: str | None = None
    is_submitted: bool | None = None
    line_item_count: int | None = None

    @property
    def is_cart(self) -> bool:
        """Whether this has not been ordered yet."""
        return self.is_submitted is False or self.status == "Unsubmitted"


class Worksheet(Wire):
    """`GET /v1/orders/{direction}/{orderID}/worksheet`: the order and its lines."""

    order: dict[str, Any]
    line_items: List[dict[str, Any]] = Field(default_factory=list)


class Place(Wire):
    """An address."""

    first_name: Maybe[str] = None
    last_name: Maybe[str] = None
    company_name: Maybe[str] = None
    street1: Maybe[str] = None
    street2: Maybe[str] = None
    city: Maybe[str] = None
    state: Maybe[str] = None
    zip: Maybe[str] = None
    country: Maybe[str] = None
    phone: Maybe[str] = None


class Person(Wire):
    """The user who ordered."""

    id: Annotated[Maybe[str], Field(alias="ID")] = None
    first_name: Maybe[str] = None
    last_name: Maybe[str] = None
    email: Maybe[str] = None
    phone: Maybe[str] = None


class Named(Wire):
    """The product of a line, or its variant."""

    id: Annotated[Maybe[str], Field(alias="ID")] = None
    name: Maybe[str] = None


class Spec(Wire):
    """An option that the buyer chose."""

    spec_id: Annotated[Maybe[str], Field(alias="SpecID")] = None
    name: Maybe[str] = None
    option_id: Annotated[Maybe[str], Field(alias="OptionID")] = None
    value: Maybe[str] = None


class LineItem(Wire):
    """One line of an order."""

    id: Annotated[Maybe[str], Field(alias="ID")] = None
    product_id: Annotated[str, StringConstraints(min_length=1), Field(alias="ProductID")]
    quantity: Number
    unit_price: Money | None = None
    base_discount: Money | None = None
    promotion_discount: Money | None = None
    line_subtotal: Money | None = None
    line_total: Money | None = None
    product: Object[Named] = Named()
    variant: Object[Named] = Named()
    shipping_address: Place | None = None
    supplier_id: Annotated[Maybe[str], Field(alias="SupplierID")] = None
    specs: List[Spec] = Field(default_factory=list)
    xp: Extended = Field(default_factory=dict)


class Order(Wire):
    """One order with its lines, which OrderCloud returns separately."""

    id: Annotated[Id, Field(alias="ID")]
    from_user: Object[Person] = Person()
    from_company_id: Annotated[Maybe[str], Field(alias="FromCompanyID")] = None
    billing_address: Place | None = None
    comments: Maybe[str] = None
    status: str
    date_created: Maybe[Moment] = None
    date_submitted: Maybe[Moment] = None
    last_updated: Maybe[Moment] = None
    subtotal: Money | None = None
    shipping_cost: Money | None = None
    tax_cost: Money | None = None
    gratuity: Money | None = None
    fees: Money | None = None
    base_discount: Money | None = None
    promotion_discount: Money | None = None
    currency: Maybe[Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{3}$", to_upper=True)]] = None
    total: Money
    line_items: list[LineItem]
    xp: Extended = Field(default_factory=dict)
