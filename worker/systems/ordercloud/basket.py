"""The calls that create one order in OrderCloud. Each may be repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

from schemas import ordercloud_request as wire
from worker.errors import AuthFailed, Held, Uncertain
from worker.systems.ordercloud.calls import CONFLICT, NOT_FOUND, Calls, Refusal, parsed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.order import Order

N = TypeVar("N", bound=wire.Named)
#: "Line Items", delete: 204 without a body. The page of a proxy has another status.
_DELETED: Final = 204
#: The most pages of lines, of a hundred each.
_MOST_PAGES: Final = 1000
#: The product does not exist for this buyer and seller: a person has to add or assign it.
_NO_PRODUCT: Final = frozenset({
    "LineItem.ProductNotAvailableFromSeller", "Order.CannotSubmitWithInactiveProduct", "Order.ProductsNotFound",
    "PriceSchedule.MissingOrConflicting",
})  # fmt: skip


class _NoProduct(Held):
    """The product of one line does not exist; `about` names the line, the sku and the product."""

    def __init__(self, message: str, about: str) -> None:
        super().__init__(message)
        self.about = about


class Basket:
    """The order `order_id` in the path `orders` of a direction; `target` is the name of the target for messages."""

    def __init__(self, calls: Calls, orders: str, order_id: str, target: str) -> None:
        self._calls, self._orders, self._id, self._target = calls, orders, order_id, target
        self.path = f"{orders}/{quote(order_id, safe='')}"

    def get(self) -> wire.HeldOrder | None:
        """Return the order; None if it does not exist."""
        answer = self._calls.read(self.path)
        return None if answer is None else parsed(wire.HeldOrder, answer)

    def make(self, request: wire.OrderRequest) -> tuple[wire.HeldOrder, bool]:
        """Create the order. Return it, and whether it existed already.

        A second object with the same id has a 409. That is documented for other objects than orders, so the order is
        searched after any refusal.
        """
        answer = self._calls.write("POST", self._orders, request.body())
        if not isinstance(answer, Refusal):
            return self._named(wire.HeldOrder, answer, self._id), False
        if order := self.get():
            return order, True
        if answer.status == CONFLICT:
            raise Uncertain(f"{answer}: it is there, and cannot be found")
        if answer.status == NOT_FOUND:
            raise AuthFailed(f"{answer}: buyer_id or user_id of targets.{self._target} is probably wrong")
        raise answer.error()

    def rewrite(self, request: wire.OrderRequest) -> dict[str, str]:
        """Change the order's own fields to those of `request`. Return the products of its lines by line id."""
        self._write("PATCH", "", request.changes(), wire.HeldOrder, self._id)
        products: dict[str, str] = {}
        for page in range(1, _MOST_PAGES + 1):
            query = [("page", str(page)), ("pageSize", "100"), ("sortBy", "ID")]
            answer = self._calls.read(f"{self.path}/lineitems", query)
            if answer is None:
                raise Uncertain(f"GET {self.path}/lineitems: the order is gone")
            lines = parsed(wire.Lines, answer)
            products |= {line.id: line.product_id for line in lines.items}
            if page >= lines.meta.total_pages:
                break
        return products

    def fill(self, order: Order, lines: Sequence[wire.LineRequest], existing: Mapping[str, str]) -> None:
        """Set lines and addresses. `existing` are the products of the lines by line id.

        A line cannot change its product, so it is deleted and created again.
        """
        products = {line.id: line.product_id for line in lines}
        for line_id, product in existing.items():
            if products.get(line_id) != product:
                self._delete(line_id)
        missing: list[_NoProduct] = []
        for number, line in enumerate(lines, 1):
            method = "PATCH" if existing.get(line.id) == line.product_id else "PUT"
            about = f"line {number}, sku {line.sku}: the product {line.product_id}"
            try:
                self._write(method, _line(line.id), line.body(), wire.Named, line.id, about)
            except _NoProduct as error:
                missing.append(error)
        if missing:
            raise self._held("; ".join(error.about for error in missing))
        for tail, place in (("/shipto", wire.Place.shipping(order)), ("/billto", wire.Place.billing(order))):
            if place:
                self._write("PUT", tail, place, wire.HeldOrder, self._id)

    def submit(self) -> None:
        """Submit the order."""
        if not self._write("POST", "/submit", None, wire.HeldOrder, self._id).submitted:
            raise Uncertain(f"POST {self.path}/submit: the answer is not that of a submitted order")

    def cancel(self) -> None:
        """Cancel the order."""
        self._write("POST", "/cancel", None, wire.HeldOrder, self._id)

    def _write(  # noqa: PLR0913, PLR0917  # one call, and the answer that it must have
        self, method: str, tail: str, body: dict[str, Any] | None, model: type[N], name: str, about: str = "a product"
    ) -> N:
        answer = self._calls.write(method, self.path + tail, body)
        if not isinstance(answer, Refusal):
            return self._named(model, answer, name)
        if answer.codes & _NO_PRODUCT or (answer.status == NOT_FOUND and "Product" in answer.missing):
            missing = f"{about} is not there for this buyer ({answer.summary})"
            raise _NoProduct(str(self._held(missing)), missing)
        if answer.status in {NOT_FOUND, CONFLICT}:
            raise Uncertain(f"{answer}: somebody else changes it")
        raise answer.error()

    def _held(self, missing: str) -> Held:
        return Held(
            f"{missing}: add it there, or name another one in targets.{self._target}.product_map (and restart Intake "
            f"if that stands in intake.toml itself), then: intake release {self._target}"
        )

    def _delete(self, line_id: str) -> None:
        answer = self._calls.write("DELETE", self.path + _line(line_id))
        if answer.status in {_DELETED, NOT_FOUND}:
            return
        if isinstance(answer, Refusal):
            raise answer.error()
        raise Uncertain(f"{answer.request}: status {answer.status}: not that of a deletion")

    def _named(self, model: type[N], answer: Any, name: str) -> N:
        """Return the object in the answer to a write. It must have the id that we gave it."""
        written = parsed(model, answer, Uncertain)
        if written.id != name:
            raise Uncertain(f"{answer.request}: the answer is about something else")
        return written


def _line(line_id: str) -> str:
    return f"/lineitems/{quote(line_id, safe='')}"
