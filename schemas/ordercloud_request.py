"""How Sitecore OrderCloud, API version 1, is given an order (the "Orders" and "Line Items" of its API reference)."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_pascal

from schemas.order import Money

if TYPE_CHECKING:
    from schemas.order import Address, Line, Order

#: What a discount of a whole line is rounded to for one piece, where it cannot be divided exactly.
_PIECE: Final = Decimal("0.0001")
#: The key of `xp` that is ours.
MARK: Final = "Intake"
#: Whose prices hold: the order's, or those that OrderCloud has for its products.
Prices = Literal["ours", "theirs"]


class Request(BaseModel):
    """A part of what is sent; what an order lacks is left out, and it is for OrderCloud to refuse it."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_pascal, populate_by_name=True)

    def body(self) -> dict[str, Any]:
        """What goes out: exact amounts; what is not known is left out."""
        return self.model_dump(by_alias=True, exclude_none=True)


class Place(Request):
    """A whole address; `Street1`, `City` and `Country` (two letters) are required."""

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
        """Where the goods go, with the customer's name where the address has none; empty if the order does not say."""
        return cls._of(order.shipping_address, order)

    @classmethod
    def billing(cls, order: Order) -> dict[str, Any]:
        """Where the bill goes; empty if the order does not say."""
        return cls._of(order.billing_address, order) if order.billing_address else {}

    @classmethod
    def _of(cls, at: Address, order: Order) -> dict[str, Any]:
        if not (at.street1 or at.city or at.postal_code or at.country):
            return {}
        named = at if at.first_name or at.last_name or at.company else order.customer
        return cls(
            company_name=named.company,
            first_name=named.first_name,
            last_name=named.last_name,
            street1=at.street1,
            street2=at.street2,
            city=at.city,
            state=at.region,
            zip=at.postal_code,
            country=at.country,
            phone=at.phone or order.customer.phone,
        ).body()


class LineRequest(Request):
    """One line; `unit_price` (role OverrideUnitPrice) is for one piece after the discount, which has no field."""

    id: str = Field(alias="ID")
    product_id: str = Field(alias="ProductID")
    quantity: int
    unit_price: Money | None = None
    xp: dict[str, Any] = Field(alias="xp")

    @property
    def sku(self) -> str | None:
        """The sku that the product was found by."""
        sku: str | None = self.xp[MARK]["SKU"]
        return sku

    @classmethod
    def of(cls, line: Line, line_id: str, product_id: str, *, prices: Prices) -> LineRequest:
        """The line under an id of ours; a quantity that is not whole must not come here.

        `xp` is merged, so what is missing is said, and options are a list, which is replaced.
        """
        said = {
            "Name": line.name,
            "SKU": line.sku,
            "EAN": line.ean,
            "Discount": line.discount or None,
            "Note": line.note,
            "GiftWrap": line.gift_wrap,
            "Options": [{"Name": name, "Value": value} for name, value in line.options.items()],
        }
        return cls(
            id=line_id,
            product_id=product_id,
            quantity=int(line.quantity),
            unit_price=_piece(line) if prices == "ours" else None,
            xp={MARK: said},
        )


class OrderRequest(Request):
    """`POST /v1/orders/{direction}`; the currency is that of the user, and cannot be sent.

    They reckon the total themselves: lines + `ShippingCost` (role OverrideShipping) + `TaxCost` (OverrideTax). Fees,
    and a discount on the whole order, have no field that may be written: they stand in `xp`, as do all amounts.
    """

    id: str = Field(alias="ID")
    from_company_id: str | None = Field(default=None, alias="FromCompanyID")
    from_user_id: str | None = Field(default=None, alias="FromUserID")
    comments: str | None = None
    shipping_cost: Money | None = None
    tax_cost: Money | None = None
    xp: dict[str, Any] = Field(alias="xp")

    def changes(self) -> dict[str, Any]:
        """What a PATCH may carry: not the ids, and a comment that is gone is taken away."""
        fixed = {"id", "from_company_id", "from_user_id"}
        return {"Comments": None} | self.model_dump(by_alias=True, exclude_none=True, exclude=fixed)

    @classmethod
    def of(cls, order: Order, reference: str, *, company: str | None, user: str | None, prices: Prices) -> OrderRequest:
        """The order as OrderCloud shall know it, for a buyer's `company` and `user`."""
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
    """The price of one piece after its part of the line's discount."""
    return line.unit_price - (line.discount / line.quantity).quantize(_PIECE) if line.discount else line.unit_price


def _tax_on_top(order: Order) -> Decimal:
    """The tax, unless it is part of the prices: they would add it a second time."""
    reckoned = order.model_copy(update={"totals": order.totals.model_copy(update={"grand": None})})
    return order.totals.tax or Decimal(0) if reckoned.grand_total == order.grand_total else Decimal(0)


def _mark(order: Order) -> dict[str, Any]:
    """What makes the order known as ours, and what has no field. None is said as well: it takes away what was."""
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
    """A part of what is answered: keys that nobody reads are let pass."""

    model_config = ConfigDict(frozen=True, alias_generator=to_pascal)


class Token(BaseModel):
    """`POST /oauth/token`; the token goes back in a header, so it is held to what a header can carry."""

    access_token: Annotated[str, StringConstraints(pattern=r"^[!-~]+$")]


class Named(Answer):
    """Whatever is answered to a write: the thing itself, by its id."""

    id: str = Field(alias="ID")


class FromUser(Answer):
    """Who placed an order."""

    id: str | None = Field(default=None, alias="ID")


class HeldOrder(Named):
    """An order, as far as it is needed to know it again.

    `IsSubmitted` is true once it has "been passed from the Buyer to the marketplace owner", so not while it awaits
    approval: the status tells what has been submitted.
    """

    status: str
    from_company_id: str | None = Field(default=None, alias="FromCompanyID")
    from_user: FromUser | None = None
    currency: str | None = None
    xp: Object = Field(default={}, alias="xp")

    @property
    def order_key(self) -> str | None:
        """The order key of ours that it was made for; None if it is not ours."""
        key = self._mark.get("Order")
        return key if isinstance(key, str) else None

    @property
    def submitted(self) -> bool:
        """Whether it has left the basket."""
        return self.status != "Unsubmitted"

    @property
    def cancelled(self) -> bool:
        """Whether it is cancelled there."""
        return self.status == "Canceled"

    @property
    def finished(self) -> bool:
        """Whether nothing is left of its creation to be done: one that came cancelled has to be cancelled as well."""
        return self.submitted and (self.cancelled or self._mark.get("Status") != "cancelled")

    @property
    def _mark(self) -> dict[str, Any]:
        mark = self.xp.get(MARK)
        return mark if isinstance(mark, dict) else {}


class HeldLine(Named):
    """A line, as far as it is needed to know it again."""

    product_id: str = Field(alias="ProductID")


class Meta(Answer):
    """Which page of how many."""

    total_pages: int


class Lines(Answer):
    """`GET /v1/orders/{direction}/{orderID}/lineitems`."""

    meta: Meta
    items: list[HeldLine]


class Refusal(Answer):
    """One reason of a no; `Data` may be null, an object or a list."""

    error_code: str = ""
    data: Object = {}


class Refused(BaseModel):
    """The body of a no; a token is refused in the words of OAuth as well."""

    errors: list[Refusal] = Field(default=[], alias="Errors")
    error: Any = None
