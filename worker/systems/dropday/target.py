"""Dropday, API version 1, as a target (docs.dropday.io, "Orders")."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from schemas import dropday as wire
from schemas.countries import country_name
from worker.errors import Rejected, Unavailable, Uncertain
from worker.systems.dropday.view import order_view
from worker.systems.parsing import parse
from worker.systems.target import Receipt, Target

if TYPE_CHECKING:
    from schemas.order import Order
    from worker.http.client import Answer
    from worker.systems.view import Side, View

_UNPROCESSABLE: Final = 422
#: The most pages of `find`: the filter matches parts of ids, so a short reference has many.
_MOST_PAGES: Final = 1000
_FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,99}")


class DropdayOptions(BaseModel):
    """The keys of a Dropday account.

    `source` is the shop that Dropday shows; left out, it is the order's store, or else the provider's name. `country`
    is written as a code, as in the docs, or by name, as the shop plugins do. `test` orders are stored, not routed.
    `placeholder` stands in the parts of an address that Dropday requires and the order lacks (people of one name,
    places without postcodes); left out, Dropday refuses such an order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    api_key: SecretStr
    account_id: SecretStr
    source: str | None = None
    country: Literal["code", "name"] = "code"
    test: Literal["as_ordered", "always"] = "as_ordered"
    placeholder: Annotated[str, Field(min_length=1)] | None = None


class Dropday(Target):
    """One account. A second order with one external_id is not created. No limit is documented; the default is 10/s."""

    kind: ClassVar[str] = "dropday"
    Options: ClassVar[type[BaseModel]] = DropdayOptions
    default_url: ClassVar[str | None] = "https://dropday.io"
    default_limit: ClassVar[str] = "10/s"
    documented_limit: ClassVar[str | None] = None
    dedupes: ClassVar[bool] = True

    def configure(self, options: DropdayOptions) -> None:
        """Take over the account's options."""
        self.options: DropdayOptions = options
        self._headers = {
            "api-key": options.api_key.get_secret_value(),
            "account-id": options.account_id.get_secret_value(),
            "Accept": "application/json",
        }
        self._country = country_name if options.country == "name" else str

    def create(self, order: Order, reference: str) -> Receipt:
        """Create by `POST /orders`. The status is 200 for new and existing orders; the message tells them apart."""
        request = wire.OrderRequest.of(
            order,
            reference,
            source=self.options.source or order.store or order.provider,
            test=order.test or self.options.test == "always",
            country=self._country,
        )
        answer = self.client.write(
            "POST",
            "/api/v1/orders",
            json=request.body(self.options.placeholder),
            headers=self._headers,
            accept=frozenset({_UNPROCESSABLE}),
        )
        if answer.status == _UNPROCESSABLE:
            raise _refusal(answer)
        created = parse(answer.request, lambda: wire.Created.model_validate(answer.json()), Uncertain)
        if created.message == "Order already exists":
            return Receipt(created.reference, existed=True)
        if created.message == "Order created" and created.reference:
            return Receipt(created.reference)
        raise Uncertain(f"{answer.request}: the answer is neither of the two that the docs know")

    def find(self, reference: str) -> Receipt | None:
        """Search by `GET /orders`. The filter matches parts of ids, and leaves out test orders by default."""
        query = [("external_id", reference), ("include_test", "true"), ("per_page", "100")]
        for page in range(1, _MOST_PAGES + 1):
            listed = self._list([*query, ("page", str(page))])
            for held in listed.data:
                if held.external_id == reference:
                    return Receipt(held.reference, existed=True)
            if listed.ends_at(page):
                return None
        raise Unavailable(f"GET /api/v1/orders: no end after {_MOST_PAGES} pages")

    def _list(self, query: list[tuple[str, str]]) -> wire.Listed:
        answer = self.client.read("/api/v1/orders", query, headers=self._headers)
        return parse(answer.request, lambda: wire.Listed.model_validate(answer.json()), Unavailable)

    def reader_options(self) -> dict[str, Any]:
        """Return the options of the same account, with test orders included."""
        return {**self.options.model_dump(include={"api_key", "account_id"}), "include_test": True}

    def view(self, order: Order, side: Side) -> View:
        """Return the fields that Dropday can hold."""
        return order_view(order, side, placeholder=self.options.placeholder)

    def check(self) -> None:
        """Read `GET /api/v1`, which needs only the credentials."""
        self.client.read("/api/v1", headers=self._headers)


def _refusal(answer: Answer) -> Rejected:
    """Return the error. The texts may repeat what we sent: they become fields, the error names fields only."""
    errors: dict[str, object] = {}
    with suppress(Uncertain, ValidationError):  # it is a refusal, even if it cannot be read
        errors = wire.Refused.model_validate(answer.json()).errors
    names = ", ".join(sorted(name for name in errors if _FIELD.fullmatch(name)))
    return Rejected(f"{answer.request}: status 422: {names or 'no field named'}", errors)
