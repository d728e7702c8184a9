"""Sitecore OrderCloud, API version 1, as a target ("Orders" and "Line Items" of its API reference)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from schemas import ordercloud_request as wire
from schemas.order import Status
from worker.errors import Held, Rejected
from worker.systems.ordercloud.basket import Basket
from worker.systems.ordercloud.calls import Calls
from worker.systems.ordercloud.view import order_view
from worker.systems.references import encode
from worker.systems.target import Receipt, Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.changes import Changes
    from schemas.order import Order
    from worker.systems.view import Side, View


class OrderCloudOptions(BaseModel):
    """The keys of an OrderCloud account: an API client with a default context user.

    Orders that come in (`direction`) are placed for `user_id` of the buyer `buyer_id`, and are in that user's currency.
    `product_map` gives the products (by their ids) for the skus of lines; with `products = "sku"` a sku that is not in
    it is the id itself. `prices`: "ours" are the order's, with its shipping cost and tax; "theirs" are those that
    OrderCloud has. `scope` are the roles asked for; left out, those that are needed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    client_id: str = Field(min_length=1)
    client_secret: SecretStr
    scope: str | None = None
    direction: Literal["Incoming", "Outgoing"] = "Incoming"
    buyer_id: str | None = None
    user_id: str | None = None
    products: Literal["map", "sku"] = "map"
    product_map: dict[str, str] = {}
    prices: wire.Prices = "ours"

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
    default_limit: ClassVar[str] = "5/s"
    documented_limit: ClassVar[str | None] = None
    dedupes: ClassVar[bool] = True
    settles: ClassVar[bool] = True
    updates: ClassVar[bool] = True
    alphabet: ClassVar[str | None] = "A-Za-z0-9-"

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

        A refusal of a later step may mean that another process was faster, so the order is searched first.
        """
        request, lines, basket = self._request(order, reference), self._lines(order), self._basket(reference)
        held, existed = basket.make(request)
        if existed:
            _check_mark(held, order, basket)
            if held.finished:
                return Receipt(reference, existed=True)
        try:
            if not held.submitted:
                self._check_buyer(held, basket)
                self._check_currency(held, order, basket)
                basket.fill(order, lines, basket.rewrite(request) if existed else {})
                basket.submit()
            if order.status is Status.CANCELLED:
                basket.cancel()
        except Rejected:
            if receipt := self.find(reference):
                return receipt
            raise
        return Receipt(reference)

    def update(self, order: Order, reference: str, target_id: str, changes: Changes) -> None:  # noqa: ARG002
        """Write our fields again; those that others added stay."""
        basket = self._basket(target_id or reference)
        held = basket.get()
        if held is None:
            raise Rejected(f"{basket.path}: it is not there any more")
        _check_mark(held, order, basket)
        if held.cancelled:
            raise Rejected(f"{basket.path}: it is cancelled there, and cannot be opened again")
        self._check_currency(held, order, basket)
        lines = self._lines(order)
        basket.fill(order, lines, basket.rewrite(self._request(order, held.id)))
        if not held.submitted:
            basket.submit()

    def cancel(self, order: Order, reference: str, target_id: str) -> None:
        """Cancel the order by `POST /orders/{direction}/{orderID}/cancel`; its fields and lines stay as they are."""
        basket = self._basket(target_id or reference)
        if (held := basket.get()) is None:
            return
        _check_mark(held, order, basket)
        if not held.cancelled:
            basket.cancel()

    def find(self, reference: str) -> Receipt | None:
        """Read `GET /orders/{direction}/{orderID}`. Return None unless the order is ours and was submitted."""
        held = self._basket(reference).get()
        if held is None or held.id != reference or held.order_key is None or not held.finished:
            return None
        return Receipt(reference, existed=True)

    def reader_options(self) -> dict[str, Any]:
        """Return the options of the same account. Orders with several addresses are accepted, with the first."""
        ours = self.options.model_dump(include={"client_id", "client_secret", "direction"})
        return {**ours, "scope": self.options.roles, "several_addresses": "first"}

    def view(self, order: Order, side: Side) -> View:
        """Return the fields that OrderCloud can hold."""
        return order_view(order, side, our_prices=self.options.prices == "ours", products=self.options.product_map)

    def check(self) -> None:
        """Request a token, and read an order, which needs a role."""
        self._calls.renew()
        self._calls.read(self._orders, [("pageSize", "1")])

    def _basket(self, order_id: str) -> Basket:
        return Basket(self._calls, self._orders, order_id, self.name)

    def _request(self, order: Order, reference: str) -> wire.OrderRequest:
        incoming = self.options.direction == "Incoming"
        return wire.OrderRequest.of(
            order,
            reference,
            company=self.options.buyer_id if incoming else None,
            user=self.options.user_id if incoming else None,
            prices=self.options.prices,
        )

    def _lines(self, order: Order) -> list[wire.LineRequest]:
        """Return the lines, under their own ids if all have different ones, else under their numbers."""
        own = [encode(line.id, self.alphabet) for line in order.lines if line.id]
        distinct = len({line_id.lower() for line_id in own}) == len(order.lines)  # a database may ignore the case
        ids = own if distinct else [str(number) for number in range(1, len(order.lines) + 1)]
        products = self._products(order)
        return [
            wire.LineRequest.of(line, line_id, product, prices=self.options.prices)
            for line_id, line, product in zip(ids, order.lines, products, strict=True)
        ]

    def _products(self, order: Order) -> list[str]:
        """Return the product of each line; raise the error that names all lines which cannot be ordered."""
        numbered = list(enumerate(order.lines, 1))
        if odd := [number for number, line in numbered if line.quantity % 1 or line.quantity < 1]:
            raise Rejected(f"{_lines_text(odd)}: OrderCloud takes whole quantities only, from 1 on")
        if nameless := [number for number, line in numbered if line.sku is None]:
            raise Rejected(f"{_lines_text(nameless)}: no sku, by which products are known")
        products = [self._product(line.sku or "") for line in order.lines]
        missing: dict[str, list[int]] = {}
        for (number, line), product in zip(numbered, products, strict=True):
            if product is None:
                missing.setdefault(line.sku or "", []).append(number)
        if missing:
            skus = ", ".join(f"{sku} ({_lines_text(numbers)})" for sku, numbers in missing.items())
            raise Held(
                f"no product is known for {len(missing)} sku{'s' if len(missing) > 1 else ''}: {skus}: add them to "
                f"targets.{self.name}.product_map (and restart Intake if it stands in intake.toml itself), then: "
                f"intake release {self.name}"
            )
        return [product for product in products if product is not None]

    def _product(self, sku: str) -> str | None:
        return self.options.product_map.get(sku, sku if self.options.products == "sku" else None)

    def _check_buyer(self, held: wire.HeldOrder, basket: Basket) -> None:
        """Check the buyer of an unsubmitted order: it cannot change, but the options may have changed."""
        user = held.from_user.id if held.from_user else None
        placed = [(held.from_company_id, self.options.buyer_id), (user, self.options.user_id)]
        if any(theirs and ours and theirs != ours for theirs, ours in placed):
            raise Held(
                f"{basket.path}: it was begun for another buyer or user than targets.{self.name} names: delete it "
                f"there, then: intake release {self.name}"
            )

    def _check_currency(self, held: wire.HeldOrder, order: Order, basket: Basket) -> None:
        """Check that our amounts are in the currency of the user, which is the currency of the order."""
        if self.options.prices == "ours" and order.currency and held.currency not in {None, order.currency}:
            raise Held(
                f"{basket.path}: the order is in {order.currency}, and the user of targets.{self.name} is not: name "
                f"one who is as its user_id, then: intake release {self.name}"
            )


def _lines_text(numbers: Sequence[int]) -> str:
    return f"line{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def _check_mark(held: wire.HeldOrder, order: Order, basket: Basket) -> None:
    """Check the mark of an order: an order of somebody else with this id must not be changed, or taken for ours."""
    if held.order_key != order.key:
        raise Rejected(f"{basket.path}: an order of this id is there that was not made for this one")
