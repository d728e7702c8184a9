"""The calls that create or change one order in OrderCloud. Each may be repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from schemas import ordercloud_answer as answers
from worker.errors import Held, Misdirected, OutOfTime, Uncertain
from worker.http.paths import segment
from worker.systems.ordercloud.calls import CONFLICT, NOT_FOUND, Calls, Refusal, parsed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.ordercloud_place import Place
    from schemas.ordercloud_request import LineRequest, OrderRequest
    from worker.systems.ordercloud.content import Content
    from worker.systems.steps import Counted

N = TypeVar("N", bound=answers.Named)
#: "Line Items", delete: 204 without a body. The page of a proxy has another status.
_DELETED: Final = 204
#: The most pages of lines, of a hundred each.
_MOST_PAGES: Final = 1000
#: The product does not exist for this buyer and seller: a person has to add or assign it.
_NO_PRODUCT: Final = frozenset({
    "LineItem.ProductNotAvailableFromSeller", "Order.CannotSubmitWithInactiveProduct", "Order.ProductsNotFound",
    "PriceSchedule.MissingOrConflicting",
})  # fmt: skip
#: The API client has a checkout integration, which would set shipping cost and tax anew.
_NOT_CALCULATED: Final = "Order.CannotSubmitUncalculatedOrder"
#: There is no address that a PATCH could change.
_NO_ADDRESS: Final = frozenset({
    "Address.CannotUpdateNotFound", "BillingAddress.CannotModifyNotFound", "NotFound",
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
        self.path = f"{orders}/{segment(order_id)}"

    def get(self) -> answers.HeldOrder | None:
        """Return the order; None if it does not exist."""
        answer = self._calls.read(self.path)
        return None if answer is None else parsed(answers.HeldOrder, answer)

    def make(self, request: OrderRequest) -> tuple[answers.HeldOrder, bool]:
        """Create the order. Return it, and whether it existed already.

        A second object with the same id has a 409 ("Create a new order"), but other refusals had that status as well,
        so the order is searched after any refusal.
        """
        answer = self._calls.write("POST", self._orders, request.body())
        if not isinstance(answer, Refusal):
            return self._named(answers.HeldOrder, answer, self._id), False
        if order := self.get():
            return order, True
        if answer.status == CONFLICT:
            raise Uncertain(f"{answer}: it exists, but cannot be found")
        if answer.status == NOT_FOUND:
            raise Misdirected(f"{answer}: buyer_id or user_id of targets.{self._target} is probably wrong")
        raise answer.error()

    def patch(self, body: dict[str, Any]) -> None:
        """Change the order's own fields."""
        self._write("PATCH", "", body, answers.HeldOrder, self._id)

    def lines(self) -> list[answers.HeldLine]:
        """Return the lines that the order has."""
        lines: list[answers.HeldLine] = []
        for page in range(1, _MOST_PAGES + 1):
            query = [("page", str(page)), ("pageSize", "100"), ("sortBy", "ID")]
            answer = self._calls.read(f"{self.path}/lineitems", query)
            if answer is None:
                raise Uncertain(f"GET {self.path}/lineitems: the order is gone")
            rows = parsed(answers.Lines, answer)
            lines += rows.items
            if page >= rows.meta.total_pages:
                break
        return lines

    def fill(self, content: Content, existing: Sequence[answers.HeldLine], steps: Counted) -> None:
        """Set lines and addresses of an order that is not submitted. `existing` are the lines that it has.

        A line cannot change its product, so it is deleted and created again. Lines that an interrupted call has written
        are not written again.
        """
        products = {line.id: line.product_id for line in content.lines}
        there = {line.id: line.product_id for line in existing}
        for line_id, product in there.items():
            if products.get(line_id) != product:
                self.delete_line(line_id)
        missing = self._write_lines(content, there, steps)
        if missing:
            raise self._held("; ".join(error.about for error in missing))
        if content.ship_to:
            self.put_address("/shipto", content.ship_to)
        if content.bill_to:
            self.put_address("/billto", content.bill_to)

    def _write_lines(self, content: Content, there: Mapping[str, str], steps: Counted) -> list[_NoProduct]:
        """Write the lines that are not written yet; return those whose product does not exist."""
        missing: list[_NoProduct] = []
        for line in steps.rest("lines", content.lines):
            try:
                if there.get(line.id) == line.product_id:
                    self.patch_line(line, line.whole())
                else:
                    self.put_line(line)
            except _NoProduct as error:
                missing.append(error)
                steps.stop()
            except OutOfTime:
                if not missing:
                    raise
                break
        return missing

    def put_line(self, line: LineRequest, ship_to: Place | None = None) -> None:
        """Create a line, with an address of its own if one is given."""
        self._write("PUT", _line(line.id), line.body(), answers.Named, line.id, _about(line))
        if ship_to:
            self.put_line_address(line.id, ship_to)

    def put_line_address(self, line_id: str, place: Place) -> None:
        """Set the address of one line."""
        self._write("PUT", f"{_line(line_id)}/shipto", place, answers.Named, line_id)

    def patch_line(self, line: LineRequest, body: dict[str, Any]) -> None:
        """Change a line."""
        self._write("PATCH", _line(line.id), body, answers.Named, line.id, _about(line))

    def delete_line(self, line_id: str) -> None:
        """Delete a line; it may be gone already."""
        answer = self._calls.write("DELETE", self.path + _line(line_id))
        if answer.status in {_DELETED, NOT_FOUND}:
            return
        if isinstance(answer, Refusal):
            raise answer.error()
        raise Uncertain(f"{answer.request}: status {answer.status} is not that of a deletion")

    def put_address(self, tail: str, place: Place) -> None:
        """Set an address: "/shipto" of all lines, or "/billto"."""
        self._write("PUT", tail, place, answers.HeldOrder, self._id)

    def patch_address(self, tail: str, changed: Place, whole: Place) -> None:
        """Change some fields of an address; where there is none, set it whole."""
        answer = self._calls.write("PATCH", self.path + tail, changed)
        if isinstance(answer, Refusal) and answer.codes & _NO_ADDRESS:
            self.put_address(tail, whole)
        elif isinstance(answer, Refusal):
            raise answer.error()
        else:
            self._named(answers.HeldOrder, answer, self._id)

    def submit(self) -> None:
        """Submit the order."""
        if not self._write("POST", "/submit", None, answers.HeldOrder, self._id).submitted:
            raise Uncertain(f"POST {self.path}/submit: the answer is not that of a submitted order")

    def cancel(self) -> None:
        """Cancel the order."""
        self._write("POST", "/cancel", None, answers.HeldOrder, self._id)

    def _write(  # noqa: PLR0913, PLR0917  # one call, and the answer that it must have
        self, method: str, tail: str, body: dict[str, Any] | None, model: type[N], name: str, about: str = "a product"
    ) -> N:
        answer = self._calls.write(method, self.path + tail, body)
        if not isinstance(answer, Refusal):
            return self._named(model, answer, name)
        if answer.codes & _NO_PRODUCT or (answer.status == NOT_FOUND and "Product" in answer.missing):
            missing = f"{about} is not there for this buyer ({answer.summary})"
            raise _NoProduct(str(self._held(missing)), missing)
        if _NOT_CALCULATED in answer.codes:
            raise Held(
                f"{answer}: the API client of targets.{self._target} has a checkout integration, which would change "
                f"the costs: name an API client without one, run intake reload, then: intake release {self._target}"
            )
        if answer.status in {NOT_FOUND, CONFLICT}:
            raise Uncertain(f"{answer}: someone else is changing it")
        raise answer.error()

    def _held(self, missing: str) -> Held:
        return Held(
            f"{missing}: add it there, or name another one in targets.{self._target}.product_map (and run intake "
            f"reload if that is in intake.toml itself), then: intake release {self._target}"
        )

    def _named(self, model: type[N], answer: Any, name: str) -> N:
        """Return the object in the answer to a write. It must have the id that we gave it."""
        written = parsed(model, answer, Uncertain)
        if written.id != name:
            raise Uncertain(f"{answer.request}: the answer is about something else")
        return written


def _line(line_id: str) -> str:
    return f"/lineitems/{segment(line_id)}"


def _about(line: LineRequest) -> str:
    return f"line {line.number}, sku {line.sku}: the product {line.product_id}"
