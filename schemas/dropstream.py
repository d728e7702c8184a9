"""What DropStream answers: only what Intake reads of it.

No page says whether an amount ("decimal (8.2)") is text or a number, nor whether a field that is not set is null, empty
or absent: each is taken.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from schemas.order import Id, Moment, Money, Number

T = TypeVar("T")


def _set(value: object) -> object:
    """Empty text is "not set"."""
    return None if value == "" else value


def _object(value: object) -> object:
    return {} if value is None else value


def _list(value: object) -> object:
    return [] if value is None else value


Maybe = Annotated[T | None, BeforeValidator(_set)]
Object = Annotated[T, BeforeValidator(_object)]
List = Annotated[list[T], BeforeValidator(_list)]


class Wire(BaseModel):
    """A part of an answer: keys that nobody reads are let pass."""

    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True)


class Token(Wire):
    """`POST /auth/token`; the token goes back in a header, so it is held to what a header can carry."""

    access_token: Annotated[str, StringConstraints(pattern=r"^[!-~]+$")]


class Orders(Wire):
    """`GET /orders` in a session: `limit` is what their server made of ours; the orders are left as sent."""

    orders: list[dict[str, Any]]
    session_id: Id
    page: int
    limit: int = Field(gt=0)


class OneOrder(Wire):
    """`GET /orders/{id}`; the order is left as sent."""

    order: dict[str, Any]


class Imported(Wire):
    """When DropStream got an order."""

    created_at: Moment


class Place(Wire):
    """Where somebody lives."""

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
    """One line of an order; no page lists `quantity`."""

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
    """One order, as lists and single reads show it."""

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
