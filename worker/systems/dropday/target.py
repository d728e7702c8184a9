"""Dropday, API version 1, as a target (docs.dropday.io, "Orders")."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from schemas import dropday as wire
from schemas.countries import country_name
from schemas.dropday_request import OrderRequest
from schemas.receiver import receiver_of
from worker.errors import Held, Rejected, Unavailable, Uncertain
from worker.systems.dropday.existing import compared
from worker.systems.dropday.view import order_view
from worker.systems.parsing import parse
from worker.systems.steps import current_place, note_place
from worker.systems.target import Need, Receipt, Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from schemas.order import Order
    from worker.http.client import Answer
    from worker.systems.view import Side, View

_UNPROCESSABLE: Final = 422
#: The most pages of `find`: the filter matches parts of ids, so a short reference has many.
_MOST_PAGES: Final = 1000
PLACEHOLDER: Final = 'Write placeholder = "-" for the target'
AMOUNTS: Final = "Write the currency of the provider, if it has that option: without it no amount is known."
_FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,99}")


class DropdayOptions(BaseModel):
    """The keys of a Dropday account.

    `source` is the shop that Dropday shows; left out, it is the order's store, or else the provider's name. `country`
    is written as a code, as in the docs, or by name, as the shop plugins do. `test` orders are stored, not routed.
    `placeholder` stands in the parts of an address that Dropday requires and the order lacks (people of one name,
    places without postcodes); left out, such an order is held. The docs allow any number for a quantity, while all
    plugins for shops send whole ones: with `quantities` = "whole" an order with half a piece is held.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    api_key: SecretStr
    account_id: SecretStr
    source: str | None = None
    country: Literal["code", "name"] = "code"
    test: Literal["as_ordered", "always"] = "as_ordered"
    placeholder: Annotated[str, Field(min_length=1)] | None = None
    quantities: Literal["whole", "any"] = "any"


class Dropday(Target):
    """One account. A second order with one external_id is not created. No limit is documented; the default is 10/s."""

    kind: ClassVar[str] = "dropday"
    Options: ClassVar[type[BaseModel]] = DropdayOptions
    identified_by: ClassVar[tuple[str, ...]] = ("account_id",)
    default_url: ClassVar[str | None] = "https://dropday.io"
    default_limit: ClassVar[str] = "10/s"
    documented_limit: ClassVar[str | None] = None
    dedupes: ClassVar[bool] = True
    settles: ClassVar[bool] = True

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
        request = self._request(order, reference)
        answer = self.client.write(
            "POST",
            "/api/v1/orders",
            json=request.body(),
            headers=self._headers,
            accept=frozenset({_UNPROCESSABLE}),
        )
        if answer.status == _UNPROCESSABLE:
            raise _refusal(answer)
        created = parse(answer.request, lambda: wire.Created.model_validate(answer.json()), Uncertain)
        if created.message == "Order already exists":
            return self._existing(order, request, created.reference)
        if created.message == "Order created" and created.reference:
            return Receipt(created.reference)
        raise Uncertain(f"{answer.request}: the response is neither of the two documented ones")

    def find(self, reference: str) -> Receipt | None:
        """Search by `GET /orders`. The filter matches parts of ids, and leaves out test orders by default."""
        for row in self._listed(reference, in_steps=True):
            if _text(row, "external_id") == reference.strip():
                return Receipt(_text(row, "reference"), existed=True, content=row)
        return None

    def recognize(self, order: Order, reference: str, receipt: Receipt, *, changed: bool) -> None:
        """Raise Held for an order of other content; if ours may have changed since, for one that has nothing of it."""
        if order.removed or receipt.content is None:
            return
        sent, placeholder = self._written(order, reference), self.options.placeholder
        same = compared(sent, receipt.content, placeholder)
        other = [field for field, equal in same.items() if not equal]
        if other and not (changed and any(equal for field, equal in same.items() if field != "source")):
            raise self._somebodys(order, sent, other)

    def _request(self, order: Order, reference: str) -> OrderRequest:
        """Return the request. Raise Held with all fields that Dropday requires and the order lacks."""
        options, request = self.options, self._written(order, reference)
        if unfit := request.unfit(whole=options.quantities == "whole"):
            raise Held(
                f"Dropday does not accept this order: {', '.join(unfit)}. {_remedy(unfit, self.name, order.key)}"
            )
        missing = request.missing()
        if missing and options.placeholder is None:
            unknown = "shipping_address.country" in missing and receiver_of(order, named=True).country
            raise Held(
                f"Dropday requires {', '.join(missing)}, which the order lacks"
                f"{' (its text for the country names none)' if unknown else ''}. {PLACEHOLDER}, run "
                f"intake reload, then: intake release {self.name} {order.key}"
            )
        return request.filled(options.placeholder) if missing and options.placeholder else request

    def _written(self, order: Order, reference: str) -> OrderRequest:
        return OrderRequest.of(
            order,
            reference,
            source=self.options.source or order.store or order.provider,
            test=order.test or self.options.test == "always",
            country=self._country,
        )

    def _existing(self, order: Order, sent: OrderRequest, target_id: str | None) -> Receipt:
        """Return the order that exists already. Raise Held if the list shows that it is another one.

        An order that the list does not show yet is taken for ours: Dropday compares external ids alone.
        """
        own, others = sent.external_id.strip(), list[list[str]]()
        for row in self._listed(own):
            listed = _text(row, "external_id") or ""
            if listed == own:
                same = compared(sent, row, self.options.placeholder)
                differing = [field for field, equal in same.items() if not equal]
                if not differing:
                    return Receipt(target_id or _text(row, "reference"), existed=True)
                others.append(differing)
            elif listed.casefold() == own.casefold():
                others.append(["external_id"])
        if others:
            raise self._somebodys(order, sent, min(others))
        return Receipt(target_id, existed=True)

    def _somebodys(self, order: Order, sent: OrderRequest, fields: list[str]) -> Held:
        return Held(
            f"another order has the external_id {sent.external_id.strip()} in Dropday: it differs in "
            f"{', '.join(fields)}. Give the route a reference that is one order's alone; if the other is this order "
            f"after all: intake release {self.name} {order.key} --drop"
        )

    def _listed(self, reference: str, *, in_steps: bool = False) -> Iterator[dict[str, Any]]:
        """Yield the orders whose external id may contain the reference; `in_steps`: those that are left of them."""
        query = [("external_id", _filter(reference)), ("include_test", "true"), ("per_page", "100")]
        place = current_place() if in_steps else ""
        for page in range(int(place) if place.isdecimal() else 1, _MOST_PAGES + 1):
            answer = self.client.read("/api/v1/orders", [*query, ("page", str(page))], headers=self._headers)
            listed = parse(answer.request, lambda: wire.Listed.model_validate(answer.json()), Unavailable)  # noqa: B023
            yield from listed.data
            if listed.ends_at(page):
                return
            if in_steps:
                note_place(str(page + 1))
        raise Unavailable(f"GET /api/v1/orders: no end after {_MOST_PAGES} pages")

    def needs(self) -> Sequence[Need]:
        """Return the parts of an address that Dropday requires, unless there is a placeholder, and an amount."""
        amount = Need("totals.grand", "every total is 0", AMOUNTS, required=False)
        if self.options.placeholder:
            return (amount,)
        remedy = f"{PLACEHOLDER} {self.name}."
        parts = ("last_name", "street1", "postal_code", "city", "country")
        missing = (Need(f"shipping_address.{part}", "every order is held", remedy) for part in parts)
        one_name = "an order with a single name is held"
        return (*missing, Need("shipping_address.first_name", one_name, remedy, required=False), amount)

    def reader_options(self) -> dict[str, Any]:
        """Return the options of the same account, with test orders included."""
        return {**self.options.model_dump(include={"api_key", "account_id"}), "include_test": True}

    def view(self, order: Order, side: Side) -> View:
        """Return the fields that Dropday can hold."""
        return order_view(order, side, placeholder=self.options.placeholder)

    def check(self) -> None:
        """Read `GET /api/v1`, which needs only the credentials."""
        self.client.read("/api/v1", headers=self._headers).json()


def _text(row: Mapping[str, Any], name: str) -> str | None:
    """Return an id of an order in the list, which may be a number."""
    value = row.get(name)
    return str(value).strip() if isinstance(value, str | int) else None


def _filter(reference: str) -> str:
    """Return what to filter the list by: SQL takes a backslash for an escape, so only the longest part without one."""
    return max(reference.split("\\"), key=len).strip() or reference


def _remedy(fields: list[str], name: str, key: str) -> str:
    if all(field.endswith("quantity") for field in fields):
        written = 'write quantities = "any" and run intake reload'
        return f"Correct it at its source, or {written}, then: intake release {name} {key}"
    return f"Correct it at its source, or: intake release {name} {key} --drop"


def _refusal(answer: Answer) -> Rejected:
    """Return the error. The texts may repeat what we sent: they become fields, the error names fields only."""
    errors: dict[str, object] = {}
    with suppress(Uncertain, ValidationError):  # it is a refusal, even if it cannot be read
        errors = wire.Refused.model_validate(answer.json()).errors
    names = ", ".join(sorted(name for name in errors if _FIELD.fullmatch(name)))
    return Rejected(f"{answer.request}: status 422: {names or 'no field named'}", errors)
