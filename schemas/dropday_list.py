"""The orders that Dropday's API, version 1, returns (docs.dropday.io, "Orders", response reference).

PHP writes an empty object as `[]`; null and absent both mean "not set".
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from schemas.gtin import is_gtin
from schemas.times import UtcMoment
from schemas.values import Number
from schemas.wire import Amount, Essentials, Flag, Maybe, Object, Required, Text, number

_EAN_DIGITS: Final = 13
_SHORTEST_EAN: Final = 8


def _ean(value: object) -> object:
    """Return an EAN that is sent as a number with the zeros that a number lacks.

    Raise ValueError if the check digit shows that digits are lost, as in 8.7177756807e+12.
    """
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return value
    digits = f"{Decimal(value).normalize():f}"
    completed = digits if len(digits) == _SHORTEST_EAN else digits.zfill(_EAN_DIGITS)
    # A number shorter than the shortest EAN, which has no zero in front, is another number.
    if len(digits) < _SHORTEST_EAN or not is_gtin(completed):
        raise ValueError("not the digits of an EAN")
    return completed


#: A number that an order can do without.
Fact = Maybe[Annotated[Number, BeforeValidator(number)]]


class Wire(BaseModel):
    """A part of an answer: unknown keys are ignored, ids may be numbers or text."""

    model_config = ConfigDict(defer_build=True, frozen=True, coerce_numbers_to_str=True)


class Meta(Wire):
    """The newer style of paging."""

    last_page: int | None = None
    total: int | None = None


class Rows(Wire):
    """`GET /orders`, with the orders as sent. The documents mix both styles of paging."""

    data: list[Any]
    meta: Object[Meta] = Meta.model_construct()
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
    """The receiver of the goods; `country` is a code or a name in the language of the shop."""

    email: Text = None
    first_name: Text = None
    last_name: Text = None
    company_name: Text = None
    phone: Text = None
    address1: Text = None
    address2: Text = None
    city: Text = None
    postcode: Text = None
    state: Text = None
    country: Text = None


class Shipping(Wire):
    """The shipping of the goods. Shops write any text for `delivery_date`."""

    cost: Amount = None
    name: Text = None
    description: Text = None
    note: Text = None
    delivery_date: Text = None


class Supplier(Wire):
    """The supplier of a line."""

    name: Text = None


class Row(Wire):
    """One line. It has a status; an order has none. `price` is what the shop sent, often that of its catalogue."""

    id: Text = None
    external_id: Text = None
    name: Text = None
    ean13: Maybe[Annotated[str, BeforeValidator(_ean)]] = None
    reference: Text = None
    quantity: Required
    stock_quantity: Fact = None
    price: Amount = None
    purchase_price: Fact = None
    brand: Text = None
    category: Text = None
    image_url: Text = None
    custom: Object[dict[str, Any]] = Field(default_factory=dict)
    current_status: Text = None
    matched_supplier: Object[Supplier] = Supplier.model_construct()


class Order(Wire):
    """One order, in a list or by itself. `external_id` is the shop's id, `reference` is Dropday's."""

    external_id: Text = None
    reference: str = Field(min_length=1)
    source: Text = None
    test: Flag = None
    #: Not documented: no one ships from a blocked order.
    blocked: Flag = None
    #: Stated by the shop. It is neither made from the lines nor checked against them, as prices may lack tax.
    total: Amount = None
    shipping_address: Object[Receiver] = Receiver.model_construct()
    shipping: Object[Shipping] = Shipping.model_construct()
    custom: Object[dict[str, Any]] = Field(default_factory=dict)
    order_lines: Essentials[Row]
    created_at: UtcMoment
    updated_at: Maybe[UtcMoment] = None
