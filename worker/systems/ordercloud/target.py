"""Sitecore OrderCloud, API version 1, as a target ("Orders" and "Line Items" of its API reference)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from schemas import ordercloud_answer as answers
from schemas import ordercloud_request as wire
from schemas.order import Status
from worker.errors import AuthFailed, Held, Rejected
from worker.http.paths import segment
from worker.systems.ordercloud.basket import Basket
from worker.systems.ordercloud.calls import Calls
from worker.systems.ordercloud.content import ALPHABET, LONGEST, content_of
from worker.systems.ordercloud.update import Update
from worker.systems.ordercloud.view import order_view
from worker.systems.steps import Counted
from worker.systems.target import Need, Receipt, Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.changes import Changes
    from schemas.order import Order
    from worker.systems.ordercloud.content import Content
    from worker.systems.view import Side, View

#: Codes of what an order or a line does not allow in its status.
_TOO_LATE: Final = re.compile(r"\b(?:Order|LineItem)\.(?:Cannot|MustBe)")


class OrderCloudOptions(BaseModel):
    """The keys of an OrderCloud account: an API client with a default context user.

    Orders that come in (`direction`) are placed for `user_id` of the buyer `buyer_id`, and are in that user's currency.
    `product_map` gives the products (by their ids) for the skus of lines; with `products = "sku"` a sku that is not in
    it is the id itself. `prices`: "ours" are the order's, with its shipping cost and tax; "theirs" are those that
    OrderCloud has. `country` (two letters) is that of addresses that name none. `scope` are the roles asked for; left
    out, those that are needed.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    client_id: str = Field(min_length=1)
    client_secret: SecretStr
    scope: str | None = None
    direction: Literal["Incoming", "Outgoing"] = "Incoming"
    buyer_id: str | None = None
    user_id: str | None = None
    products: Literal["map", "sku"] = "map"
    product_map: dict[str, str] = {}
    prices: wire.Prices = "ours"
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = None

    @model_validator(mode="after")
    def _placed_by_somebody(self) -> Self:
        """`Order.CreateIncomingRequiresFromUser`."""
        if self.direction == "Incoming" and not (self.buyer_id and self.user_id):
            raise ValueError("an incoming order needs both buyer_id and user_id")
        return self

    @property
    def roles(self) -> str:
        """The scope of the token."""
        overrides = " OverrideUnitPrice OverrideShipping OverrideTax" if self.prices == "ours" else ""
        return f"OrderAdmin{overrides}" if self.scope is None else self.scope


class OrderCloud(Target):
    """One account. The id of an order is our reference, so there is never a second one.

    An order is created by many calls, and exists when it is submitted: `find` ignores an unsubmitted order, and
    `create` continues it. Nothing is read from lists of orders, because they lag behind.
    """

    kind: ClassVar[str] = "ordercloud"
    Options: ClassVar[type[BaseModel]] = OrderCloudOptions
    identified_by: ClassVar[tuple[str, ...]] = ("client_id", "buyer_id")
    default_limit: ClassVar[str] = "5/s"
    documented_limit: ClassVar[str | None] = None
    dedupes: ClassVar[bool] = True
    settles: ClassVar[bool] = True
    updates: ClassVar[bool] = True
    alphabet: ClassVar[str | None] = ALPHABET
    longest: ClassVar[int | None] = LONGEST

    def configure(self, options: OrderCloudOptions) -> None:
        """Take over the account's options."""
        self.options: OrderCloudOptions = options
        self._orders = f"/v1/orders/{options.direction}"
        self._calls = Calls(
            self.client,
            [
                ("grant_type", "client_credentials"),
                ("client_id", options.client_id),
                ("client_secret", options.client_secret.get_secret_value()),
                ("scope", options.roles),
            ],
        )

    def create(self, order: Order, reference: str) -> Receipt:
        """Create the order by `POST /orders/{direction}`, its lines, its addresses and `submit`. Each may be repeated.

        What OrderCloud would not take is held before the first call. An order that is refused halfway stays there
        unsubmitted, and is continued by the next attempt. A refusal of a later step may mean that another process was
        faster, so the order is searched first. A call that was interrupted continues with the next line.
        """
        content = content_of(order, self.options, self.name)
        request, basket = self._request(content, reference), self._basket(reference)
        steps = Counted([request.body(), *(line.body() for line in content.lines)])
        held, existed = (basket.get() if steps.began else None), False
        if held is None:
            steps.restart()
            held, existed = basket.make(request)
        if existed or steps.began:
            self._check_mark(held, order, basket)
            if held.finished:
                return Receipt(reference, existed=True)
        try:
            if not held.submitted:
                self._complete(content, request, basket, held, steps, existed=existed)
            if order.status is Status.CANCELLED:
                basket.cancel()
        except Rejected:
            if receipt := self.find(reference):
                return receipt
            raise
        return Receipt(reference)

    def update(self, order: Order, reference: str, target_id: str, changes: Changes) -> None:
        """Write what changed; an order that is not submitted yet is completed with its current content."""
        content, basket = content_of(order, self.options, self.name), self._basket(target_id or reference)
        held = basket.get()
        if held is None:
            raise Rejected(f"{basket.path}: it no longer exists")
        self._check_mark(held, order, basket)
        if held.cancelled:
            raise self._by_hand(order, f"{basket.path}: it is cancelled there, and cannot be opened again")
        self._check_currency(held, order, basket)
        if not held.submitted:
            request = self._request(content, held.id)
            steps = Counted([request.body(), *(line.body() for line in content.lines)])
            self._complete(content, request, basket, held, steps, existed=not steps.began)
            return
        try:
            Update(basket, content, changes).run(held)
        except Rejected as error:
            if not _TOO_LATE.search(str(error)):
                raise
            raise self._by_hand(order, f"{error}: a submitted order is not changed like this") from None

    def cancel(self, order: Order, reference: str, target_id: str) -> None:
        """Cancel the order by `POST /orders/{direction}/{orderID}/cancel`; its fields and lines stay as they are."""
        basket = self._basket(target_id or reference)
        if (held := basket.get()) is None:
            return
        self._check_mark(held, order, basket)
        if held.cancelled:
            return
        try:
            basket.cancel()
        except Rejected as error:
            raise self._by_hand(order, f"{error}: it cannot be cancelled any more") from None

    def find(self, reference: str) -> Receipt | None:
        """Read `GET /orders/{direction}/{orderID}`. Return None unless the order is ours and was submitted."""
        held = self._basket(reference).get()
        if held is None or held.id != reference or held.order_key is None or not held.finished:
            return None
        return Receipt(reference, existed=True, content=held)

    def recognize(self, order: Order, reference: str, receipt: Receipt, *, changed: bool) -> None:  # noqa: ARG002
        """Raise Held if the order has the mark of another one."""
        if isinstance(receipt.content, answers.HeldOrder):
            self._check_mark(receipt.content, order, self._basket(reference))

    def reader_options(self) -> dict[str, Any]:
        """Return the options of the same account. Orders with several addresses are accepted, with the first."""
        ours = self.options.model_dump(include={"client_id", "client_secret", "direction"})
        return {**ours, "scope": self.options.roles, "several_addresses": "first"}

    def view(self, order: Order, side: Side) -> View:
        """Return the fields that OrderCloud can hold."""
        return order_view(order, side, self.options, self.name)

    def needs(self) -> Sequence[Need]:
        """Return what an order is not created without, unless a setting helps."""
        table = f"Write a product for each EAN or name of its goods into targets.{self.name}.product_map."
        needs = [Need("lines.sku", "every order with other goods is held", table, required=False)]
        if self.options.country is None:
            remedy = f"Write the country of its addresses as targets.{self.name}.country."
            needs.append(Need("shipping_address.country", "every order is held", remedy))
        return needs

    def check(self) -> None:
        """Request a token, read an order, which needs a role, and look for the roles and the user of deliveries."""
        self._calls.renew()
        if lacking := self._calls.lacks(self.options.roles.split()):
            raise AuthFailed(
                f"the API client of targets.{self.name} does not have the roles {', '.join(lacking)}: add them to its "
                'security profile, or write prices = "theirs"'
            )
        self._calls.read(self._orders, [("pageSize", "1")])
        buyer, user = self.options.buyer_id, self.options.user_id
        if buyer and user and self._calls.is_missing(f"/v1/buyers/{_part(buyer)}/users/{_part(user)}"):
            raise AuthFailed(f"the user of targets.{self.name} is not there: check its buyer_id and user_id")

    def _basket(self, order_id: str) -> Basket:
        return Basket(self._calls, self._orders, order_id, self.name)

    def _request(self, content: Content, reference: str) -> wire.OrderRequest:
        incoming = self.options.direction == "Incoming"
        return wire.OrderRequest.of(
            content.order,
            reference,
            company=self.options.buyer_id if incoming else None,
            user=self.options.user_id if incoming else None,
            amounts=content.amounts,
        )

    def _complete(  # noqa: PLR0913  # an order that was begun, and how far
        self,
        content: Content,
        request: wire.OrderRequest,
        basket: Basket,
        held: answers.HeldOrder,
        steps: Counted,
        *,
        existed: bool,
    ) -> None:
        """Fill and submit an order. If it `existed`, an attempt that failed may have written other lines."""
        self._check_buyer(held, basket)
        self._check_currency(held, content.order, basket)
        if existed:
            basket.patch(request.whole())
        basket.fill(content, basket.lines() if existed else (), steps)
        basket.submit()

    def _by_hand(self, order: Order, reason: str) -> Held:
        return Held(f"{reason}: change it there by hand, then: intake release {self.name} {order.key} --drop")

    def _check_buyer(self, held: answers.HeldOrder, basket: Basket) -> None:
        """Check the buyer of an unsubmitted order: it cannot change, but the options may have changed."""
        user = held.from_user.id if held.from_user else None
        placed = [(held.from_company_id, self.options.buyer_id), (user, self.options.user_id)]
        if any(theirs and ours and theirs != ours for theirs, ours in placed):
            raise Held(
                f"{basket.path}: it was begun for another buyer or user than targets.{self.name} names: delete it "
                f"there, then: intake release {self.name}"
            )

    def _check_currency(self, held: answers.HeldOrder, order: Order, basket: Basket) -> None:
        """Check that our amounts are in the currency of the user, which is the currency of the order."""
        if self.options.prices == "ours" and order.currency and held.currency not in {None, order.currency}:
            raise Held(
                f"{basket.path}: the order is in {order.currency}, and the user of targets.{self.name} is not: name "
                f"one who is as its user_id, run intake reload, then: intake release {self.name}"
            )

    def _check_mark(self, held: answers.HeldOrder, order: Order, basket: Basket) -> None:
        """Check the mark of an order: an order of somebody else with this id must not be changed, or taken for ours."""
        if held.order_key != order.key:
            raise Held(
                f"{basket.path}: another order has this id there: give that one another id, "
                f"or give up this one: intake release {self.name} {order.key} --drop"
            )


def _part(text: str) -> str:
    return segment(text)
