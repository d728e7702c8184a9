"""The requests that create an order in Sitecore OrderCloud, API version 1 (reference: "Orders", "Line Items")."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal

from schemas.ordercloud_mark import MARK, line_mark, order_mark, shortened, without_nulls
from schemas.values import Money

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schemas.changes import Changes
    from schemas.order import Line, Order
    from schemas.ordercloud_amounts import Amounts, Piece

#: The prices to use: the order's, or those that OrderCloud has for its products.
Prices = Literal["ours", "theirs"]
#: Characters that `Order.Comments` holds.
_COMMENT: Final = 2000
#: Characters that a shipping account may have; its limit is not documented, but that of other texts is.
_ACCOUNT: Final = 100
_ZERO: Final = Decimal(0)
#: The amounts of a line, with the leaves that they are made of.
_LINE_AMOUNTS: Final = {"Quantity": {"quantity"}, "UnitPrice": {"unit_price", "discount"}}
#: The amounts that are remembered in `xp`, with their fields and the paths that they are made of.
_AMOUNTS: Final = {
    "Shipping": ("ShippingCost", "totals.shipping"),
    "Tax": ("TaxCost", "totals.tax"),
    "Gratuity": ("Gratuity", "totals.fees"),
}


class Request(BaseModel):
    """A part of a request."""

    model_config = ConfigDict(
        defer_build=True, frozen=True, extra="forbid", alias_generator=to_pascal, populate_by_name=True
    )

    def body(self) -> dict[str, Any]:
        """Return the body of a creation: without what is not set."""
        body: dict[str, Any] = without_nulls(self.model_dump(by_alias=True))
        return body

    def whole(self) -> dict[str, Any]:
        """Return the body of a change to exactly this: what is not set is removed."""
        return self.model_dump(by_alias=True)


class LineRequest(Request):
    """One line: some or all pieces of a line of the order.

    `unit_price` (role OverrideUnitPrice) is the price of one piece after the discount, which has no field.
    """

    #: The number of the line of the order, for messages.
    number: int = Field(exclude=True)
    id: str = Field(alias="ID")
    product_id: str = Field(alias="ProductID")
    quantity: int
    unit_price: Money | None = None
    shipping_account: str | None = None
    xp: dict[str, Any] = Field(alias="xp")

    @classmethod
    def of(  # noqa: PLR0913, PLR0917  # what a line is made of
        cls, order: Order, number: int, key: str, product: str, line_id: str, piece: Piece
    ) -> LineRequest:
        """Return the request for a piece of the line with this number and key (see `line_keys`)."""
        line, account = order.lines[number - 1], order.shipping.account
        return cls(
            number=number,
            id=line_id,
            product_id=product,
            quantity=piece.quantity,
            unit_price=piece.unit_price,
            shipping_account=account if account and len(account) <= _ACCOUNT else None,
            xp={MARK: line_mark(line, key, piece)},
        )

    @property
    def key(self) -> str:
        """The key of the line, by which it is found again."""
        key: str = self.xp[MARK]["Key"]
        return key

    @property
    def sku(self) -> str | None:
        """The sku by which the product was found."""
        sku: str | None = self.xp[MARK]["SKU"]
        return sku

    @property
    def sent(self) -> dict[str, Any]:
        """The amounts, as they are remembered in `xp`."""
        sent: dict[str, Any] = self.xp[MARK]["Sent"]
        return sent

    def whole(self) -> dict[str, Any]:
        """Return the body of a change to exactly this. A price that is not ours is left alone."""
        body = super().whole()
        return body if self.unit_price is not None else {k: v for k, v in body.items() if k != "UnitPrice"}

    def changed(self, line: Line, leaves: Iterable[str], sent: Mapping[str, Any], *, account: bool) -> dict[str, Any]:
        """Return the body of an update: the changed leaves of the line, and the amounts if they changed.

        A discount of the order changes them as well, so they are compared with those that were `sent` last.
        """
        body: dict[str, Any] = {"ShippingAccount": self.shipping_account} if account else {}
        mark = line_mark(line, self.key, None, leaves)
        amounts = {"Quantity": self.quantity, "UnitPrice": self.unit_price}
        for name, made_of in _LINE_AMOUNTS.items():
            changed = made_of & set(leaves) or sent.get(name) != self.sent.get(name)
            if changed and amounts[name] is not None:
                body[name] = amounts[name]
                mark["Sent"] = self.sent
        return {**body, "xp": {MARK: mark}} if mark else body


class OrderRequest(Request):
    """`POST /v1/orders/{direction}`. The currency is that of the user, and cannot be sent.

    `ShippingCost` needs the role OverrideShipping, `TaxCost` the role OverrideTax. `Gratuity` holds the fees.
    """

    id: str = Field(alias="ID")
    from_company_id: str | None = Field(default=None, alias="FromCompanyID")
    from_user_id: str | None = Field(default=None, alias="FromUserID")
    comments: str | None = None
    shipping_cost: Money | None = None
    tax_cost: Money | None = None
    gratuity: Money | None = None
    xp: dict[str, Any] = Field(alias="xp")

    @classmethod
    def of(
        cls, order: Order, reference: str, *, company: str | None, user: str | None, amounts: Amounts | None
    ) -> OrderRequest:
        """Return the request for an order of a buyer's `company` and `user`. Without `amounts`, prices are theirs."""
        return cls(
            id=reference,
            from_company_id=company,
            from_user_id=user,
            comments=comments_of(order),
            shipping_cost=amounts.shipping if amounts else None,
            tax_cost=amounts.tax if amounts else None,
            gratuity=amounts.gratuity or None if amounts else None,
            xp={MARK: order_mark(order, amounts)},
        )

    def whole(self) -> dict[str, Any]:
        """Return the body of a change to exactly this: without the ids, which cannot change."""
        body = self.model_dump(by_alias=True, exclude={"id", "from_company_id", "from_user_id"})
        if self.shipping_cost is None:
            return {"Comments": self.comments, "xp": self.xp}
        return {**body, "Gratuity": self.gratuity or _ZERO}


def comments_of(order: Order) -> str | None:
    """Return the note and the gift message, shortened to what the field holds: both are in `xp` as well."""
    text = "\n".join(filter(None, (order.note, order.gift_message)))
    return shortened(text, _COMMENT) or None


def changed_order(order: Order, amounts: Amounts | None, sent: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """Return the body of an update: the fields and amounts that changed since the order was sent.

    A discount above the price of the goods changes other amounts as well, so they are compared with those `sent` last.
    """
    body: dict[str, Any] = {}
    if changes.touches("note", "gift_message"):
        body["Comments"] = comments_of(order)
    mark = order_mark(order, amounts, changes)
    if amounts:
        wanted = {"Shipping": amounts.shipping, "Tax": amounts.tax, "Gratuity": amounts.gratuity}
        differing = {
            field: wanted[name]
            for name, (field, path) in _AMOUNTS.items()
            if sent.get(name, _ZERO) != wanted[name] or changes.touches(path)
        }
        if differing:
            body |= differing
            mark["Sent"] = wanted
    return {**body, "xp": {MARK: mark}} if mark else body
