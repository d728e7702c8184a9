"""The requests that create an order in Sitecore OrderCloud, API version 1 (reference: "Orders", "Line Items")."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_pascal

from schemas.values import Money

if TYPE_CHECKING:
    from schemas.order import Address, Line, Order

#: The discount of one piece is rounded to this if the discount of its line cannot be divided exactly.
_PIECE: Final = Decimal("0.0001")
#: The key in `xp` that belongs to Intake.
MARK: Final = "Intake"
#: The prices to use: the order's, or those that OrderCloud has for its products.
Prices = Literal["ours", "theirs"]


class Request(BaseModel):
    """A part of a request. Fields that an order lacks are left out; OrderCloud may refuse the order for it."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_pascal, populate_by_name=True)

    def body(self) -> dict[str, Any]:
        """Return the body, with exact amounts and without unknown fields."""
        return self.model_dump(by_alias=True, exclude_none=True)


class Place(Request):
    """A complete address: `Street1`, `City` and `Country` (two letters) are required."""

    company_name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    street1: str | None = None
    street2: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None
    country: str | None = None
    phone: str | None = None

    @classmethod
    def shipping(cls, order: Order) -> dict[str, Any]:
        """Return the shipping address; empty if the order has none. The customer's name is used if it has no name."""
        return cls._of(order.shipping_address, order)

    @classmethod
    def billing(cls, order: Order) -> dict[str, Any]:
        """Return the billing address; empty if the order has none."""
        return cls._of(order.billing_address, order) if order.billing_address else {}

    @classmethod
    def _of(cls, at: Address, order: Order) -> dict[str, Any]:
        if not (at.street1 or at.city or at.postal_code or at.country):
            return {}
        person = at if at.first_name or at.last_name or at.company else order.customer
        return cls(
            company_name=person.company,
            first_name=person.first_name,
            last_name=person.last_name,
            street1=at.street1,
            street2=at.street2,
            city=at.city,
            state=at.region,
            zip=at.postal_code,
            country=at.country,
            phone=at.phone or order.customer.phone,
        ).body()


class LineRequest(Request):
    """One line. `unit_price` (role OverrideUnitPrice) is for one piece after the discount, which has no field."""

    id: str = Field(alias="ID")
    product_id: str = Field(alias="ProductID")
    quantity: int
    unit_price: Money | None = None
    xp: dict[str, Any] = Field(alias="xp")

    @property
    def sku(self) -> str | None:
        """The sku by which the product was found."""
        sku: str | None = self.xp[MARK]["SKU"]
        return sku

    @classmethod
    def of(cls, line: Line, line_id: str, product_id: str, *, prices: Prices) -> LineRequest:
        """Return the request for a line under an id of ours. The quantity must be whole.

        OrderCloud merges `xp`, so empty fields are sent too. The options are a list, because lists are replaced.
        """
        ours = {
            "Name": line.name,
            "SKU": line.sku,
            "EAN": line.ean,
            "Discount": line.discount or None,
            "Note": line.note,
            "GiftWrap": line.gift_wrap,
            "Options": [{"Name": option.name, "Value": option.value} for option in line.options],
        }
        return cls(
            id=line_id,
            product_id=product_id,
            quantity=int(line.quantity),
            unit_price=_piece(line) if prices == "ours" else None,
            xp={MARK: ours},
        )


class OrderRequest(Request):
    """`POST /v1/orders/{direction}`. The currency is that of the user, and cannot be sent.

    OrderCloud calculates the total: lines + `ShippingCost` (role OverrideShipping) + `TaxCost` (OverrideTax). Fees, and
    a discount on the whole order, have no writable field: they are in `xp`, as are all amounts.
    """

    id: str = Field(alias="ID")
    from_company_id: str | None = Field(default=None, alias="FromCompanyID")
    from_user_id: str | None = Field(default=None, alias="FromUserID")
    comments: str | None = None
    shipping_cost: Money | None = None
    tax_cost: Money | None = None
    xp: dict[str, Any] = Field(alias="xp")

    def changes(self) -> dict[str, Any]:
        """Return the body of a PATCH: without the ids, and with a null that removes a former comment."""
        fixed = {"id", "from_company_id", "from_user_id"}
        return {"Comments": None} | self.model_dump(by_alias=True, exclude_none=True, exclude=fixed)

    @classmethod
    def of(cls, order: Order, reference: str, *, company: str | None, user: str | None, prices: Prices) -> OrderRequest:
        """Return the request for an order of a buyer's `company` and `user`."""
        return cls(
            id=reference,
            from_company_id=company,
            from_user_id=user,
            comments="\n".join(filter(None, (order.note, order.gift_message))) or None,
            shipping_cost=order.totals.shipping or Decimal(0) if prices == "ours" else None,
            tax_cost=_tax_on_top(order) if prices == "ours" else None,
            xp={MARK: _mark(order)},
        )


def _piece(line: Line) -> Decimal:
    """Return the price of one piece, minus its share of the line's discount."""
    return line.unit_price - (line.discount / line.quantity).quantize(_PIECE) if line.discount else line.unit_price


def _tax_on_top(order: Order) -> Decimal:
    """Return the tax, or 0 if it is part of the prices: OrderCloud would add it a second time."""
    calculated = order.model_copy(update={"totals": order.totals.model_copy(update={"grand": None})})
    return order.totals.tax or Decimal(0) if calculated.grand_total == order.grand_total else Decimal(0)


def _mark(order: Order) -> dict[str, Any]:
    """Return the mark of our orders, with the facts that have no field. A None removes a former value."""
    return {
        "Order": order.key,
        "Number": order.display_id,
        "OrderedAt": order.ordered_at.isoformat(),
        "Status": order.status.value,
        "Test": order.test,
        "Currency": order.currency,
        "Total": order.grand_total,
        "Discount": order.totals.discount,
        "Fees": order.totals.fees,
        "Tax": order.totals.tax,
        "Email": order.shipping_address.email or order.customer.email,
        "Phone": order.customer.phone,
        "Shipping": order.shipping.method,
    }


def _object(value: object) -> object:
    return value if isinstance(value, dict) else {}


Object = Annotated[dict[str, Any], BeforeValidator(_object)]


class Answer(BaseModel):
    """A part of an answer: unknown keys are ignored."""

    model_config = ConfigDict(frozen=True, alias_generator=to_pascal)


class Token(BaseModel):
    """`POST /oauth/token`. The token is sent in a header, so it may have only the characters of a header."""

    access_token: Annotated[str, StringConstraints(pattern=r"^[!-~]+$")]


class Named(Answer):
    """The answer to a write: the object that was written, with its id."""

    id: str = Field(alias="ID")


class FromUser(Answer):
    """The user who placed an order."""

    id: str | None = Field(default=None, alias="ID")


class HeldOrder(Named):
    """The fields of an order that identify it and show its state.

    `IsSubmitted` becomes true when the order has "been passed from the Buyer to the marketplace owner", which is after
    an approval. So the status shows whether it was submitted.
    """

    status: str
    from_company_id: str | None = Field(default=None, alias="FromCompanyID")
    from_user: FromUser | None = None
    currency: str | None = None
    xp: Object = Field(default={}, alias="xp")

    @property
    def order_key(self) -> str | None:
        """The order key that it was created for; None if it is not ours."""
        key = self._mark.get("Order")
        return key if isinstance(key, str) else None

    @property
    def submitted(self) -> bool:
        """Whether the order was submitted."""
        return self.status != "Unsubmitted"

    @property
    def cancelled(self) -> bool:
        """Whether the order is cancelled in OrderCloud."""
        return self.status == "Canceled"

    @property
    def finished(self) -> bool:
        """Whether its creation is complete: an order that was cancelled at the source has to be cancelled as well."""
        return self.submitted and (self.cancelled or self._mark.get("Status") != "cancelled")

    @property
    def _mark(self) -> dict[str, Any]:
        mark = self.xp.get(MARK)
        return mark if isinstance(mark, dict) else {}


class HeldLine(Named):
    """The fields of a line that identify it."""

    product_id: str = Field(alias="ProductID")


class Meta(Answer):
    """The number of pages."""

    total_pages: int


class Lines(Answer):
    """`GET /v1/orders/{direction}/{orderID}/lineitems`."""

    meta: Meta
    items: list[HeldLine]


class Refusal(Answer):
    """One reason of a refusal; `Data` may be null, an object or a list."""

    error_code: str = ""
    data: Object = {}


class Refused(BaseModel):
    """The body of a refusal. A refused token may have the `error` of OAuth instead."""

    errors: list[Refusal] = Field(default=[], alias="Errors")
    error: Any = None
