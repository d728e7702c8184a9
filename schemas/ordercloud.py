"""The answers of OrderCloud: the fields that Intake reads.

Keys are PascalCase (except "xp"), times are UTC with up to seven digits of a fraction, amounts are JSON numbers. It is
not documented which keys may be null or absent: every field that an order can be read without may be either. What is
not read here is kept in `Order.custom["ordercloud"]`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_pascal

from schemas.values import Id, Moment
from schemas.wire import Amount, Essentials, Flag, List, Maybe, Object, Required


def _extended(value: object) -> object:
    """Return `xp` as an object. It may be any JSON: any other value is kept under the key `xp`."""
    if value is None or isinstance(value, dict):
        return value or {}
    return {"xp": value}


Extended = Annotated[dict[str, Any], BeforeValidator(_extended), Field(alias="xp")]


class Wire(BaseModel):
    """A part of an answer: unknown keys are ignored, because new ones are added over time."""

    model_config = ConfigDict(defer_build=True, frozen=True, coerce_numbers_to_str=True, alias_generator=to_pascal)


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
    items: list[Any]

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
    """`GET /v1/orders/{direction}/{orderID}/worksheet`: the order, its lines, its promotions and its ways of shipping.

    The other parts of a worksheet are the answers of the marketplace's own integrations, such as
    `OrderCalculateResponse`. They are not read: what they decided is part of the order.
    """

    order: dict[str, Any]
    line_items: List[dict[str, Any]] = Field(default_factory=list)
    order_promotions: Any = None
    ship_estimate_response: Any = None
    subscription: Any = None

    @property
    def parts(self) -> dict[str, Any]:
        """The parts that are kept with the order, under their names."""
        parts = {
            "OrderPromotions": self.order_promotions,
            "ShipEstimateResponse": self.ship_estimate_response,
            "Subscription": self.subscription,
        }
        return {name: part for name, part in parts.items() if part}


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


class Product(Wire):
    """The product of a line."""

    name: Maybe[str] = None


class Variant(Wire):
    """The variant of a product."""

    id: Annotated[Maybe[str], Field(alias="ID")] = None


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
    quantity: Required
    quantity_shipped: Amount = None
    #: The line is a bundle: its parts are lines of their own.
    is_bundle: Flag = None
    #: The order that the marketplace's owner received, of which this line was forwarded to a supplier.
    incoming_order_id: Annotated[Maybe[str], Field(alias="IncomingOrderID")] = None
    unit_price: Amount = None
    base_discount: Amount = None
    promotion_discount: Amount = None
    line_subtotal: Amount = None
    line_total: Amount = None
    date_needed: Maybe[Moment] = None
    shipping_account: Maybe[str] = None
    product: Object[Product] = Product.model_construct()
    variant: Object[Variant] = Variant.model_construct()
    shipping_address: Maybe[Place] = None
    supplier_id: Annotated[Maybe[str], Field(alias="SupplierID")] = None
    specs: List[Spec] = Field(default_factory=list)
    xp: Extended = Field(default_factory=dict)


class Promotion(Wire):
    """A promotion that was applied to an order or one of its lines. Its amounts are part of the order's."""

    code: Maybe[str] = None


class ShipMethod(Wire):
    """A way of shipping that was offered."""

    id: Annotated[Maybe[str], Field(alias="ID")] = None
    name: Maybe[str] = None


class ShipEstimate(Wire):
    """The ways of shipping that were offered for some of the lines, and the one that was selected."""

    ship_methods: List[ShipMethod] = Field(default_factory=list)
    selected_ship_method_id: Annotated[Maybe[str], Field(alias="SelectedShipMethodID")] = None


class ShipEstimates(Wire):
    """The answer of the marketplace's checkout integration about shipping."""

    ship_estimates: List[ShipEstimate] = Field(default_factory=list)


class Payment(Wire):
    """One payment. `accepted` means authorized: an order cannot be submitted before all its payments are."""

    id: Annotated[Maybe[str], Field(alias="ID")] = None
    type: Maybe[str] = None
    amount: Amount = None
    accepted: Maybe[bool] = None
    description: Maybe[str] = None


class Order(Wire):
    """One order with its lines, promotions and payments, which OrderCloud returns separately."""

    id: Annotated[Id, Field(alias="ID")]
    from_user: Object[Person] = Person.model_construct()
    from_user_id: Annotated[Maybe[str], Field(alias="FromUserID")] = None
    from_company_id: Annotated[Maybe[str], Field(alias="FromCompanyID")] = None
    billing_address: Maybe[Place] = None
    comments: Maybe[str] = None
    status: str
    date_created: Maybe[Moment] = None
    date_submitted: Maybe[Moment] = None
    last_updated: Maybe[Moment] = None
    subtotal: Amount = None
    shipping_cost: Amount = None
    tax_cost: Amount = None
    gratuity: Amount = None
    fees: Amount = None
    base_discount: Amount = None
    promotion_discount: Amount = None
    #: Points are no currency of ISO 4217: such an order has none.
    currency: Maybe[Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{3}$", to_upper=True)]] = None
    total: Required
    line_items: Essentials[LineItem]
    order_promotions: List[Promotion] = Field(default_factory=list)
    payments: List[Payment] = Field(default_factory=list)
    ship_estimate_response: Object[ShipEstimates] = ShipEstimates.model_construct()
    xp: Extended = Field(default_factory=dict)
