"""What OrderCloud answers: only what Intake reads of it.

Keys are PascalCase ("xp" apart), times are UTC with no to seven digits of a fraction, amounts are JSON numbers. Which
keys may be null or absent stands nowhere: what an order can be read without may be either.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_pascal

from schemas.order import Id, Moment, Money, Number

T = TypeVar("T")


def _set(value: object) -> object:
    """Empty text is "not set"."""
    return None if value == "" else value


def _object(value: object) -> object:
    return {} if value is None else value


def _list(value: object) -> object:
    return [] if value is None else value


def _extended(value: object) -> object:
    """`xp` is any JSON: what is no object is kept under its name."""
    if value is None or isinstance(value, dict):
        return value or {}
    return {"xp": value}


Maybe = Annotated[T | None, BeforeValidator(_set)]
Object = Annotated[T, BeforeValidator(_object)]
List = Annotated[list[T], BeforeValidator(_list)]
Extended = Annotated[dict[str, Any], BeforeValidator(_extended), Field(alias="xp")]


class Wire(BaseModel):
    """A part of an answer: keys that nobody reads are let pass, for new ones come over time."""

    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True, alias_generator=to_pascal)


class Token(BaseModel):
    """`POST /oauth/token`; a token goes back in a header, so it is held to what a header can carry.

    `refresh_token` comes if the API client is set up to have one.
    """

    access_token: Annotated[str, StringConstraints(pattern=r"^[!-~]+$")]
    refresh_token: Maybe[str] = None


class Fault(Wire):
    """One error; `Data`, which nobody reads, is null, an object or a list."""

    error_code: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.]{1,80}$")]


class Faults(Wire):
    """What an answer that is no success says."""

    errors: Annotated[list[Fault], Field(min_length=1)]


class Meta(Wire):
    """Which page this is: `page_size` is what their server made of ours."""

    page_size: int | None = None
    total_count: int | None = None


class Rows(Wire):
    """One page of a list; the items are left as sent."""

    meta: Meta
    items: list[dict[str, Any]]

    def more_after(self, page: int, asked: int) -> bool:
        """Whether another page follows: this one is full, or they count more. An empty one is the last in any case."""
        size = min(self.meta.page_size or asked, asked)
        return bool(self.items) and (len(self.items) >= size or page * size < (self.meta.total_count or 0))


class Row(Wire):
    """What must be known of an order to read it whole; under some searches the list has carts as well."""

    id: Annotated[Id, Field(alias="ID")]
    status: str | None = None
    is_submitted: bool | None = None
    line_item_count: int | None = None

    @property
    def is_cart(self) -> bool:
        """Nobody has ordered this yet."""
        return self.is_submitted is False or self.status == "Unsubmitted"


class Worksheet(Wire):
    """`GET /v1/orders/{direction}/{orderID}/worksheet`: the order, with its lines beside it."""

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
    """Who ordered."""

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
    """What the buyer chose."""

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
    """One order with its lines, which OrderCloud keeps apart from it."""

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
