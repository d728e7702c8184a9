"""The answers of DropStream: the fields that Intake reads.

It is not documented whether an amount ("decimal (8.2)") is text or a number, and whether a field that is not set is
null, empty or absent. All forms are accepted.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from schemas.values import Id, Moment, Money, Number

T = TypeVar("T")


def _set(value: object) -> object:
    """Return None for an empty text, which means "not set"."""
    return None if value == "" else value


def _object(value: object) -> object:
    return {} if value is None else value


def _list(value: object) -> object:
    return [] if value is None else value


Maybe = Annotated[T | None, BeforeValidator(_set)]
Object = Annotated[T, BeforeValidator(_object)]
List = Annotated[list[T], BeforeValidator(_list)]


class Wire(BaseModel):
    """A part of an answer: unknown keys are ignored."""

    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True)


class Token(Wire):
    """`POST /auth/token`. The token is sent in a header, so it may have only the characters of a header."""

    access_token: Annotated[str, StringConstraints(pattern=r"^[!-~]+$")]


class Orders(Wire):
    """`GET /orders` in a session, with the orders as sent. `limit` is the one that the server uses."""

    orders: list[dict[str, Any]]
    session_id: Id
    page: int
    limit: int = Field(gt=0)


class OneOrder(Wire):
    """`GET /orders/{id}`, with the order as sent."""

    order: dict[str, Any]


class Imported(Wire):
    """The time at which DropStream imported an order."""

    created_at: Moment


class Place(Wire):
    """An address."""

    first_name: Maybe[str] = None
    last_name: Maybe[str] = None
    street1: Maybe[str] = None
    street2: Maybe[str] = None
    city: Maybe[str] = None
    region: Maybe[str] = None
    postal_code: Maybe[str] = None
    country: Maybe[str] = None
    telephone: Maybe[str] = None


class Item(Wire):
    """One line of an order. `quantity` is not documented."""

    external_order_item_id: Maybe[str] = None
    external_product_id: Maybe[str] = None
    name: Maybe[str] = None
    sku: Maybe[str] = None
    upc: Maybe[str] = None
    quantity: Maybe[Number] = None
    unit_price: Money
    unit_cost: Maybe[Money] = None
    discount_amount: Maybe[Money] = None
    tax_amount: Maybe[Money] = None
    gift_wrap: Maybe[bool] = None
    customer_notes: Maybe[str] = None
    color_description: Maybe[str] = None
    size_description: Maybe[str] = None
    options: List[dict[str, Any]] = Field(default_factory=list)
    custom: Object[dict[str, Any]] = Field(default_factory=dict)


class Order(Wire):
    """One order, in a list or by itself."""

    id: int = Field(gt=0)
    store_id: Maybe[str] = None
    external_id: Maybe[str] = None
    external_display_id: Maybe[str] = None
    external_billing_customer_id: Maybe[str] = None
    customer_email: Maybe[str] = None
    ordered_at: Moment
    created_at: Moment
    fulfillment_state: str
    fulfillment_transitioned_at: Maybe[Moment] = None
    currency_code: Annotated[
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{3}$", to_upper=True)] | None, BeforeValidator(_set)
    ] = None
    payment_type: Maybe[str] = None
    payment_date: Maybe[Moment] = None
    shipping_carrier_name: Maybe[str] = None
    shipping_carrier_service_level: Maybe[str] = None
    external_shipping_description: Maybe[str] = None
    shipping_warehouse_code: Maybe[str] = None
    shipping_notes: Maybe[str] = None
    signature_required: Maybe[bool] = None
    notes: Maybe[str] = None
    gift_message: Maybe[str] = None
    external_tags: Maybe[str] = None
    discount_codes: Maybe[str] = None
    shipping_amount: Maybe[Money] = None
    discount_amount: Maybe[Money] = None
    tax_amount: Maybe[Money] = None
    shipping_address: Object[Place] = Place()
    billing_address: Place | None = None
    order_items: List[Item]
    custom: Object[dict[str, Any]] = Field(default_factory=dict)
