"""The API of a small warehouse: it knows an order by our reference, and refuses a second one with 409."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from worker.errors import Rejected, Unavailable, Uncertain
from worker.systems.parsing import parse
from worker.systems.target import Receipt, Target

if TYPE_CHECKING:
    from schemas.order import Line, Order
    from worker.http.client import Answer

_EXISTS: Final = 409
_UNPROCESSABLE: Final = 422
_FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,99}")


class ShelfOptions(BaseModel):
    """The keys of an account. `product_map` gives their article for each of our skus; others are sent as they are."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    token: SecretStr
    product_map: dict[str, str] = {}


class Shelf(Target):
    """One warehouse."""

    kind: ClassVar[str] = "shelf"
    Options: ClassVar[type[BaseModel]] = ShelfOptions
    default_limit: ClassVar[str] = "10/s"
    documented_limit: ClassVar[str | None] = None
    #: A second order with the same reference is refused.
    dedupes: ClassVar[bool] = True
    #: An order is found as soon as the call that creates it has ended.
    settles: ClassVar[bool] = True

    def configure(self, options: ShelfOptions) -> None:
        """Take over the account's options."""
        self.options: ShelfOptions = options
        self._headers = {"Authorization": f"Bearer {options.token.get_secret_value()}"}

    def create(self, order: Order, reference: str) -> Receipt:
        """Create by `POST /api/orders`."""
        answer = self.client.write(
            "POST",
            "/api/orders",
            json=self._body(order, reference),
            headers=self._headers,
            accept=frozenset({_EXISTS, _UNPROCESSABLE}),
        )
        if answer.status == _UNPROCESSABLE:
            raise _refusal(answer)
        made = parse(answer.request, lambda: _Held.model_validate(answer.json()), Uncertain)
        return Receipt(made.id, existed=answer.status == _EXISTS)

    def find(self, reference: str) -> Receipt | None:
        """Search by `GET /api/orders`, whose filter ignores the case."""
        answer = self.client.read("/api/orders", [("reference", reference)], headers=self._headers)
        found = parse(answer.request, lambda: _Found.model_validate(answer.json()), Unavailable)
        return next((Receipt(held.id, existed=True) for held in found.orders if held.reference == reference), None)

    def check(self) -> None:
        """Read `GET /api/me`, which needs only the token."""
        self.client.read("/api/me", headers=self._headers)

    def _body(self, order: Order, reference: str) -> dict[str, Any]:
        to = order.shipping_address
        return {
            "reference": reference,
            "total": order.grand_total,
            "ship_to": {
                "name": " ".join(filter(None, (to.first_name, to.last_name))) or to.company,
                "street": ", ".join(filter(None, (to.street1, to.street2))) or None,
                "postcode": to.postal_code,
                "city": to.city,
                "country": to.country,
            },
            "lines": [self._line(line) for line in order.lines],
        }

    def _line(self, line: Line) -> dict[str, Any]:
        article = self.options.product_map.get(line.sku or "", line.sku)
        return {"article": article, "name": line.name, "quantity": line.quantity, "price": line.unit_price}


class _Held(BaseModel):
    """An order as the warehouse shows it."""

    id: str
    reference: str


class _Found(BaseModel):
    """The answer to a search."""

    orders: list[_Held]


class _Refused(BaseModel):
    """The answer to an order that is not accepted."""

    errors: dict[str, list[str]]


def _refusal(answer: Answer) -> Rejected:
    """Return the error. It names fields only: their texts may repeat the order, so they go to the ledger alone."""
    errors: dict[str, Any] = {}
    with suppress(Uncertain, ValidationError):  # it is a refusal, even if it cannot be read
        errors = _Refused.model_validate(answer.json()).errors
    names = ", ".join(sorted(name for name in errors if _FIELD.fullmatch(name)))
    return Rejected(f"{answer.request}: status {answer.status}: {names or 'no field named'}", errors)
