"""RetailCRM (Simla.com), API version 5, as a target (docs.simla.com, "orders/create", "upload", "edit")."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

import simplejson
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from schemas import retailcrm as wire
from schemas.order import Status  # pydantic reads it
from schemas.retailcrm_request import (
    Codes,
    Created,
    Edited,
    H,
    HeldOrder,
    HeldOrders,
    LinedOrder,
    OrderRequest,
    There,
    Uploaded,
)
from worker.errors import (
    AuthFailed,
    Held,
    IntakeError,
    LeaseLost,
    PermanentError,
    Rejected,
    RetryableError,
    SnoozeError,
    Unavailable,
    Uncertain,
)
from worker.systems.parsing import parse
from worker.systems.parsing import path as path_of
from worker.systems.retailcrm.refusal import refused
from worker.systems.retailcrm.view import order_view
from worker.systems.target import Receipt, Target

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from schemas.order import Order
    from worker.http.client import Answer
    from worker.systems.view import Side, View

    #: What became of each order, by its reference.
    Outcomes = dict[str, Receipt | IntakeError]

_BAD_REQUEST: Final = 400
_NOT_FOUND: Final = 404
#: "Orders are loaded with errors": some were taken. No HTTP of anybody else's knows it.
_IN_PART: Final = 460
#: All by which it says no to an order; 401 and 403 are about the key, 408 settles nothing, 429 is about the pace.
_REFUSALS: Final = frozenset(range(_BAD_REQUEST, 500)) - {401, 403, 408, 429}
#: Orders on a page of a list: 20, 50 or 100 ("orders", the parameter `limit`).
_PAGE: Final = 50
#: "APIErrorMessage"; only in an English account.
_EXISTS: Final = re.compile(r"externalId=.* already exists", re.DOTALL)


class RetailCRMOptions(BaseModel):
    """The keys of a RetailCRM account.

    `site` must be named where the key reaches several. `time_zone` is the account's own where left out. `currency` is
    for orders that name none. `status_map`, `delivery_map` and `payment_map` give the account's codes for our statuses
    and for the providers' words for delivery and payment; what is not in them is left out of the order. But an order
    that is cancelled later is held until `status_map` has a code for that. `bulk` orders are created in one call.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    api_key: SecretStr
    site: str | None = None
    time_zone: wire.ZoneKey | None = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    status_map: dict[Status, str] = {}
    delivery_map: dict[str, str] = {}
    payment_map: dict[str, str] = {}
    bulk: Annotated[int, Field(ge=1, le=50)] = 50


class RetailCRM(Target):
    """One account. A second order of one externalId is refused within a site, and then found."""

    kind: ClassVar[str] = "retailcrm"
    Options: ClassVar[type[BaseModel]] = RetailCRMOptions
    default_limit: ClassVar[str] = "10/s"
    documented_limit: ClassVar[str | None] = "10/s"
    limit_per_address: ClassVar[bool] = True
    throttle_statuses: ClassVar[frozenset[int]] = frozenset({429, 503})
    dedupes: ClassVar[bool] = True
    #: "orders/upload".
    bulk: int = 50
    updates: ClassVar[bool] = True

    def configure(self, options: RetailCRMOptions) -> None:
        """Take over the account's options."""
        self.options: RetailCRMOptions = options
        self._headers = {"X-API-KEY": options.api_key.get_secret_value()}
        self.bulk = options.bulk
        self._site = [("site", options.site)] if options.site else []
        self._zone = ZoneInfo(options.time_zone) if options.time_zone else None
        self._codes = Codes(status=options.status_map, delivery=options.delivery_map, payment=options.payment_map)

    def create(self, order: Order, reference: str) -> Receipt:
        """`POST /orders/create`, the order as JSON in a form; a no is believed when `find` has not found the order.

        That a duplicate is refused is documented, in which words only for English accounts, and no page has the whole
        answer. So the words alone never decide: an order that is there is success, however the refusal is put.
        """
        answer = self._post("orders/create", "order", self._request(order, reference).body())
        if answer.status not in _REFUSALS:
            created = parse(answer.request, lambda: Created.model_validate(answer.json()), Uncertain)
            return Receipt(str(created.id))
        refusal = refused(answer)
        with suppress(Rejected):  # what was wrong with the order says more than what is wrong with the question
            if found := self.find(reference):
                return found
        if refusal.says(_EXISTS):
            raise Uncertain(f"{answer.request}: status {answer.status}: it is there, and cannot be found")
        raise refusal.as_error(answer)

    def create_many(self, batch: Sequence[tuple[Order, str]]) -> Sequence[Receipt | IntakeError]:
        """`POST /orders/upload`. What was not taken is looked up, and if it is not there, created by itself.

        Of a batch that was taken in part (460) no page says which error is whose, and no error has to be there at all:
        only an order's own refusal tells its own reason. Any other no is one to the whole batch: Rejected.
        """
        self._account_zone()
        told: dict[int, Receipt | IntakeError] = {}
        numbers: dict[str, int] = {}
        bodies: list[dict[str, Any]] = []
        for n, (order, reference) in enumerate(batch):
            if reference in numbers:
                told[n] = Uncertain("another order of the batch has the same reference")
                continue
            try:
                bodies.append(self._request(order, reference).body())
            except PermanentError as wrong:
                told[n] = wrong
            else:
                numbers[reference] = n
        if bodies:
            outcomes = self._upload(bodies, {reference: batch[n][0] for reference, n in numbers.items()})
            told |= {numbers[reference]: outcome for reference, outcome in outcomes.items()}
        return [told[n] for n in range(len(batch))]

    def _upload(self, bodies: list[dict[str, Any]], orders: Mapping[str, Order]) -> Outcomes:
        """Which were taken they say, but one answer on record does not: then only asking tells."""
        answer = self._post("orders/upload", "orders", bodies)
        taken, rows = answer.status not in _REFUSALS, []
        if not taken and answer.status != _IN_PART:
            raise refused(answer).as_error(answer)
        try:
            rows = parse(answer.request, lambda: Uploaded.model_validate(answer.json()), Uncertain).uploaded_orders
        except Uncertain:
            if taken:
                raise
        told: Outcomes = {str(row.external_id): Receipt(str(row.id)) for row in rows if row.external_id in orders}
        left = {reference: order for reference, order in orders.items() if reference not in told}
        if left:
            told |= self._look_up(left)
            left = {reference: order for reference, order in left.items() if reference not in told}
        if taken:
            doubt = Uncertain(f"{answer.request}: status {answer.status}: this order is not named, nor found")
            return told | dict.fromkeys(left, doubt)
        return told | self._one_by_one(left)

    def _look_up(self, references: Collection[str]) -> Outcomes:
        """`GET /orders` by their external ids: those that are there; all, as doubtful, where it cannot be asked now."""
        try:
            held = self._held(references)
        except PermanentError:  # such as an address that is too long
            return {}
        except SnoozeError as wait:
            wait.uncertain = True
            return dict.fromkeys(references, wait)
        except RetryableError as failed:
            return dict.fromkeys(references, Uncertain(str(failed)))
        return {
            str(row.external_id): Receipt(str(row.id), existed=True) for row in held if row.external_id in references
        }

    def absent(self, references: Collection[str]) -> Collection[str]:
        """`GET /orders` by their external ids; a full page may have a second one, and says nothing then.

        Only of what is not there: without a site it shows those of all sites, and what is in another is not ours.
        """
        rows = self._held(references)
        held = {row.external_id for row in rows}
        return [reference for reference in references if reference not in held] if len(rows) < _PAGE else ()

    def _held(self, references: Collection[str]) -> Sequence[There]:
        query = [("filter[externalIds][]", reference) for reference in references]
        query += [("filter[sites][]", site) for _, site in self._site]
        answer = self._get("orders", [*query, ("limit", str(_PAGE))])
        return parse(answer.request, lambda: HeldOrders.model_validate(answer.json()), Unavailable).orders

    def _one_by_one(self, orders: Mapping[str, Order]) -> Outcomes:
        """Each by itself, until one is told to wait: then so are all that follow."""
        told: Outcomes = {}
        for reference, order in orders.items():
            try:
                told[reference] = self.create(order, reference)
            except LeaseLost:
                raise
            except SnoozeError as wait:
                return dict.fromkeys(orders, wait) | told
            except IntakeError as error:
                told[reference] = error
        return told

    def update(self, order: Order, reference: str, target_id: str) -> None:  # noqa: ARG002  # known by its externalId
        """`POST /orders/{externalId}/edit`, with the ids of the lines that are there: they are read first.

        An order that is not there any more was deleted, or combined with another, by somebody who can: Rejected.
        """
        if order.status is Status.CANCELLED and order.status not in self.options.status_map:
            raise Held(f"status_map has no code for {order.status.value}: the order would be shipped all the same")
        request = self._request(order, reference)
        held = self._look(reference, HeldOrder[LinedOrder])
        if held is None:
            raise Rejected("the order is not there any more: it was deleted, or combined with another")
        path = f"orders/{quote(reference, safe='')}/edit"
        answer = self._post(path, "order", request.changes(held.items), ("by", "externalId"))
        if answer.status in _REFUSALS:
            raise refused(answer).as_error(answer)
        parse(answer.request, lambda: Edited.model_validate(answer.json()), Uncertain)

    def find(self, reference: str) -> Receipt | None:
        """`GET /orders/{externalId}`; a database may find it in other letter cases, so we compare."""
        held = self._look(reference, HeldOrder[There])
        return Receipt(str(held.id), existed=True) if held else None

    def _look(self, reference: str, shape: type[HeldOrder[H]]) -> H | None:
        path = f"orders/{quote(reference, safe='')}"
        answer = self._get(path, [("by", "externalId"), *self._site], frozenset({_BAD_REQUEST, _NOT_FOUND}))
        if answer.status in {_BAD_REQUEST, _NOT_FOUND}:
            self._settings()  # a wrong url answers so as well, in words that depend on the account's language
            if answer.status == _BAD_REQUEST:
                raise Rejected(f"{answer.request}: status {answer.status}")
            return None
        held = parse(answer.request, lambda: shape.model_validate(answer.json()), Unavailable).order
        return held if held.external_id == reference else None

    def reader_options(self) -> dict[str, Any]:
        """Return the same account's, with our own writes kept and statuses known by the codes that we write."""
        ours = self.options.model_dump(include={"api_key", "site", "time_zone", "currency"})
        statuses = {code: status for status, code in self.options.status_map.items()}
        return {**ours, "echo": "keep", "overlap": 0, "status_map": statuses}

    def view(self, order: Order, side: Side) -> View:
        """Return the fields that RetailCRM can hold."""
        return order_view(order, side, mapped=self.options.status_map)

    def check(self) -> None:
        """Read the account's settings."""
        self._settings()

    def _account_zone(self) -> ZoneInfo:
        """The account's time zone; the account is asked once, if the options do not say it."""
        if self._zone is None:
            self._zone = ZoneInfo(self._settings().timezone.value)
        return self._zone

    def _settings(self) -> wire.AccountSettings:
        """Whoever knows no such account says so with 404 or 400, or with a web page ("APIErrorMessage")."""
        answer = self._get("settings", accept=frozenset({_BAD_REQUEST, _NOT_FOUND}))
        if answer.status in {_BAD_REQUEST, _NOT_FOUND} or answer.body.lstrip().startswith(b"<"):
            raise AuthFailed(
                f"{answer.request}: status {answer.status}, no RetailCRM account is there: the url is probably wrong"
            )
        return parse(answer.request, lambda: wire.Settings.model_validate(answer.json()), Unavailable).settings

    def _request(self, order: Order, reference: str) -> OrderRequest:
        """Raises Rejected where no account could be told such an order."""
        zone, currency = self._account_zone(), self.options.currency
        try:
            return OrderRequest.of(order, reference, zone=zone, currency=currency, codes=self._codes)
        except OverflowError:
            field = "ordered_at"
        except ValidationError as wrong:
            field = path_of(wrong.errors(include_url=False, include_context=False, include_input=False)[0]["loc"])
        raise Rejected(f"the order cannot be written: {field}")

    def _post(self, path: str, name: str, body: object, *query: tuple[str, str]) -> Answer:
        """A form with `body` as JSON in the field `name`; a refusal is an answer as well."""
        text = simplejson.dumps(body, use_decimal=True, separators=(",", ":"))
        form = [*query, (name, text), *self._site]
        return self.client.write("POST", f"/api/v5/{path}", form=form, headers=self._headers, accept=_REFUSALS)

    def _get(
        self, path: str, query: list[tuple[str, str]] | tuple[()] = (), accept: frozenset[int] = frozenset()
    ) -> Answer:
        return self.client.read(f"/api/v5/{path}", query, headers=self._headers, accept=accept)
