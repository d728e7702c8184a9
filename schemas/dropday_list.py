"""The orders that Dropday's API, version 1, returns (docs.dropday.io, "Orders", response reference).

PHP writes an empty object as `[]`; null and absent both mean "not set".
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from schemas.values import Money, Number

T = TypeVar("T")


def _object(value: object) -> object:
    """Return an empty object for `[]` and null."""
    return {} if value is None or value == [] else value


def _list(value: object) -> object:
    return [] if value is None else value


def _set(value: object) -> object:
    """Return None for an empty text, which means "not set"."""
    return None if value == "" else value


Object = Annotated[T, BeforeValidator(_object)]
List = Annotated[list[T], BeforeValidator(_list)]


class Wire(BaseModel):
    """A part of an answer: unknown keys are ignored, ids may be numbers or text."""

    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True)


class Meta(Wire):
    """The newer style of paging."""

    last_page: int | None = None
    total: int | None = None


class Rows(Wire):
    """`GET /orders`, with the orders as sent. The documents mix both styles of paging."""

    data: list[dict[str, Any]]
    meta: Object[Meta] = Meta()
    last_page: int | None = None
    total: int | None = None

    def ends_at(self, page: int) -> bool:
        """Return whether this page, which has the number `page`, is the last one."""
        last = self.meta.last_page or self.last_page
        return not self.data or (last is not None and page >= last)

    @property
    def count(self) -> int | None:
        """The number of orders on all pages together, if it is known."""
        return self.total if self.meta.total is None else self.meta.total


class Known(Wire):
    """The one field that an answer to `GET /orders/{reference}` must have."""

    reference: str


class Receiver(Wire):
    """The receiver of the goods; `country` is a code or a name, as the shop wrote it."""

    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company_name: str | None = None
    phone: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    postcode: str | None = None
    state: str | None = None
    country: str | None = None


class Shipping(Wire):
    """The shipping of the goods."""

    cost: Money | None = None
    name: str | None = None
    description: str | None = None
    note: str | None = None
    delivery_date: Annotated[
        Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None, BeforeValidator(_set)
    ] = None


class Supplier(Wire):
    """The supplier of a line."""

    name: str | None = None


class Row(Wire):
    """One line. It has a status; an order has none."""

    id: str | None = None
    external_id: str | None = None
    name: str
    ean13: str | None = None
    reference: str | None = None
    quantity: Number
    stock_quantity: Number | None = None
    price: Money
    purchase_price: Money | None = None
    brand: str | None = None
    category: str | None = None
    image_url: str | None = None
    custom: Object[dict[str, Any]] = Field(default_factory=dict)
    current_status: str | None = None
    matched_supplier: Object[Supplier] = Supplier()


class Order(Wire):
    """One order, in a list or by itself. `external_id` is the shop's id, `reference` is Dropday's."""

    external_id: str | None = None
    reference: str = Field(min_length=1)
    source: str | None = None
    test: bool = False
    total: Money | None = None
    shipping_address: Object[Receiver] = Receiver()
    shipping: Object[Shipping] = Shipping()
    custom: Object[dict[str, Any]] = Field(default_factory=dict)
    order_lines: List[Row]
    created_at: AwareDatetime
    updated_at: AwareDatetime | None = None
