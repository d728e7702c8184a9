"""RetailCRM (Simla.com), API version 5, as a target (docs.simla.com, "orders/create", "upload", "edit")."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC
from typing import TYPE_CHECKING, Any, ClassVar, Final
from zoneinfo import ZoneInfo

import simplejson

from schemas.cancellation import cancellation, stop
from schemas.order import Status
from schemas.retailcrm_edit import edit_of
from schemas.retailcrm_held import Created, Edited, EditedOrder, H, HeldOrder, HeldOrders, Paid, There, Uploaded
from schemas.retailcrm_marks import seal_of
from schemas.retailcrm_request import Codes, local, payments_of
from worker.errors import (
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
from worker.http.paths import segment
from worker.http.refusals import ELSEWHERE
from worker.systems.parsing import parse
from worker.systems.retailcrm.account import BAD_REQUEST, NOT_FOUND, Account
from worker.systems.retailcrm.account_check import check_account
from worker.systems.retailcrm.options import RetailCRMOptions
from worker.systems.retailcrm.ownership import foreign, is_nobodys, is_ours
from worker.systems.retailcrm.refusal import EXISTS, refused
from worker.systems.retailcrm.view import order_view
from worker.systems.retailcrm.writing import is_writable, request_of
from worker.systems.target import Receipt, Target

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pydantic import BaseModel

    from schemas.changes import Changes
    from schemas.order import Order
    from schemas.retailcrm_request import OrderRequest
    from worker.http.client import Answer
    from worker.systems.view import Side, View

    #: The outcome of each order, by its reference.
    Outcomes = dict[str, Receipt | IntakeError]

#: "Orders are loaded with errors": some were created. The status is RetailCRM's own.
_IN_PART: Final = 460
#: The statuses that refuse an order. 401 and 403 concern the key, 408 settles nothing, 429 concerns the limit.
_REFUSALS: Final = frozenset(range(BAD_REQUEST, 500)) - {401, 403, 408, 429} - ELSEWHERE
#: The answers for an order that is not there, or that the key does not reach.
_UNKNOWN: Final = frozenset({BAD_REQUEST, NOT_FOUND})
#: The orders on a page of a list: 20, 50 or 100 ("orders", the parameter `limit`).
_PAGE: Final = 50


class RetailCRM(Target):
    """One account. A second order with the same externalId is refused within a site, and then found."""

    kind: ClassVar[str] = "retailcrm"
    Options: ClassVar[type[BaseModel]] = RetailCRMOptions
    identified_by: ClassVar[tuple[str, ...]] = ("site",)
    default_limit: ClassVar[str] = "10/s"
    documented_limit: ClassVar[str | None] = "10/s"
    limit_per_address: ClassVar[bool] = True
    throttle_statuses: ClassVar[frozenset[int]] = frozenset({429, 503})
    dedupes: ClassVar[bool] = True
    settles: ClassVar[bool] = True
    #: "orders/upload".
    bulk: int = 50
    updates: ClassVar[bool] = True

    def configure(self, options: RetailCRMOptions) -> None:
        """Take over the account's options."""
        self.options: RetailCRMOptions = options
        self._account = Account(self.client, options.api_key)
        self.bulk = options.bulk
        self._site = [("site", options.site)] if options.site else []
        self._zone = ZoneInfo(options.time_zone) if options.time_zone else None
        self._codes = Codes(
            status=options.status_map,
            delivery=options.delivery_map,
            payment=options.payment_map,
            custom=options.custom_map,
            site=options.site or "",
        )

    def create(self, order: Order, reference: str) -> Receipt:
        """Create by `POST /orders/create`. A refusal counts only if the order is not there.

        A duplicate is refused, but its message is documented for English accounts only, and without the whole answer.
        So the message alone never decides: an order that exists is a success, whatever the refusal says, if it is ours.
        Raise Held for an order that somebody else made with this externalId.
        """
        answer = self._post("orders/create", "order", self._request(order, reference).body())
        if answer.status not in _REFUSALS:
            created = parse(answer.request, lambda: Created.model_validate(answer.json()), Uncertain)
            return Receipt(str(created.id))
        refusal = refused(answer)
        with suppress(Rejected):  # the refusal of the order is more useful than one of the search
            if there := self._look(reference, HeldOrder[There]):
                return self._existing(there, order, reference)
        if refusal.matches(EXISTS):
            raise Uncertain(f"{answer.request}: status {answer.status}: it exists, but cannot be found")
        raise refusal.as_error(answer)

    def create_many(self, batch: Sequence[tuple[Order, str]]) -> Sequence[Receipt | IntakeError]:
        """Create by `POST /orders/upload`. Orders that were not created are searched, then created one by one.

        It is not documented which error of a partial success (460) belongs to which order, or that there is one: only
        the refusal of a single order has its own reason. Any other refusal concerns the whole batch: Rejected.
        """
        self._account_zone()
        outcomes: dict[int, Receipt | IntakeError] = {}
        numbers: dict[str, int] = {}
        bodies: list[dict[str, Any]] = []
        for n, (order, reference) in enumerate(batch):
            if reference in numbers:
                outcomes[n] = Uncertain("another order of the batch has the same reference")
                continue
            try:
                bodies.append(self._request(order, reference).body())
            except (PermanentError, Held) as wrong:
                outcomes[n] = wrong
            else:
                numbers[reference] = n
        if bodies:
            uploaded = self._upload(bodies, {reference: batch[n][0] for reference, n in numbers.items()})
            outcomes |= {numbers[reference]: outcome for reference, outcome in uploaded.items()}
        return [outcomes[n] for n in range(len(batch))]

    def _upload(self, bodies: list[dict[str, Any]], orders: Mapping[str, Order]) -> Outcomes:
        """Upload a batch. The answer names the created orders; one that does not is settled by a search."""
        answer = self._post("orders/upload", "orders", bodies)
        accepted, rows = answer.status not in _REFUSALS, []
        if not accepted and answer.status != _IN_PART:
            raise refused(answer).as_error(answer)
        try:
            rows = parse(answer.request, lambda: Uploaded.model_validate(answer.json()), Uncertain).uploaded_orders
        except Uncertain:
            if accepted:
                raise
        outcomes: Outcomes = {str(row.external_id): Receipt(str(row.id)) for row in rows if row.external_id in orders}
        remaining = {reference: order for reference, order in orders.items() if reference not in outcomes}
        if remaining:
            outcomes |= self._look_up(remaining)
            remaining = {reference: order for reference, order in remaining.items() if reference not in outcomes}
        if accepted:
            doubt = Uncertain(f"{answer.request}: status {answer.status}: this order is not named, nor found")
            return outcomes | dict.fromkeys(remaining, doubt)
        return outcomes | self._one_by_one(remaining)

    def _look_up(self, orders: Mapping[str, Order]) -> Outcomes:
        """Search by `GET /orders`. Return the orders that exist, or all of them as uncertain if the search fails."""
        try:
            held = self._held(orders)
        except PermanentError:  # such as an address that is too long
            return {}
        except SnoozeError as wait:
            wait.uncertain = True
            return dict.fromkeys(orders, wait)
        except RetryableError as failed:
            return dict.fromkeys(orders, Uncertain(str(failed)))
        found = {str(row.external_id): row for row in held if row.external_id in orders}
        outcomes: Outcomes = {}
        for reference, row in found.items():
            try:
                outcomes[reference] = self._existing(row, orders[reference], reference)
            except Held as somebodys:
                outcomes[reference] = somebodys
        return outcomes

    def _existing(self, there: There, order: Order, reference: str) -> Receipt:
        """Return the receipt of an order that exists. Raise Held if it was not created from this one."""
        if not is_ours(there, order, local(order.ordered_at, self._account_zone())):
            raise Held(foreign(reference, self.name, order.key))
        return Receipt(str(there.id), existed=True)

    def absent(self, references: Collection[str]) -> Collection[str]:
        """Search by `GET /orders`. A full page proves nothing, because a second one may follow.

        Without a site the answer has the orders of all sites: an order of another site is not absent, but not ours.
        """
        rows = self._held(references)
        held = {row.external_id for row in rows}
        return [reference for reference in references if reference not in held] if len(rows) < _PAGE else ()

    def _held(self, references: Collection[str]) -> Sequence[There]:
        query = [("filter[externalIds][]", reference) for reference in references]
        query += [("filter[sites][]", site) for _, site in self._site]
        answer = self._account.get("orders", [*query, ("limit", str(_PAGE))])
        return parse(answer.request, lambda: HeldOrders.model_validate(answer.json()), Unavailable).orders

    def _one_by_one(self, orders: Mapping[str, Order]) -> Outcomes:
        """Create each order by its own call. When one has to wait, all that follow have to wait too."""
        outcomes: Outcomes = {}
        for reference, order in orders.items():
            try:
                outcomes[reference] = self.create(order, reference)
            except LeaseLost:
                raise
            except SnoozeError as wait:
                return dict.fromkeys(orders, wait) | outcomes
            except IntakeError as error:
                outcomes[reference] = error
        return outcomes

    def update(self, order: Order, reference: str, target_id: str, changes: Changes) -> None:
        """Change what changed at the source by `POST /orders/{externalId}/edit`, and payments by their own calls.

        The order is read first: an edit replaces the lists and objects that it has. An order that does not exist any
        more was deleted, or combined with another, by a person: Rejected. A payment that is gone at the source stays.
        """
        request = self._request(order, reference)
        there = self._there(order, reference, target_id, HeldOrder[EditedOrder])
        if there is None:
            raise Rejected("the order is not there any more: it was deleted, or combined with another")
        if there.marks:
            self._existing(there, order, reference)
        if body := edit_of(request, order, changes, there, self._codes):
            self._edit(there, reference, body)
        if changes.touches("payments"):
            self._pay(order, there)

    def _pay(self, order: Order, there: EditedOrder) -> None:
        """Write the payments by `POST /orders/payments/create` and `/orders/payments/{id}/edit`."""
        known = {payment.external_id: payment.id for payment in there.payments}
        for payment in payments_of(order, self._codes, self._account_zone()):
            body = payment.model_dump(by_alias=True, exclude_none=True)
            number = known.get(payment.external_id)
            if number is None:
                named = {**body, "order": {"id": there.id}}
                answer = self._post("orders/payments/create", "payment", named, site=there.site)
            else:
                answer = self._post(f"orders/payments/{number}/edit", "payment", body, ("by", "id"), site=there.site)
            self._written(answer, Paid)

    def cancel(self, order: Order, reference: str, target_id: str) -> None:
        """Change the status alone, by the account's code in `status_map`; without one, a person has to cancel it."""
        codes = self.options.status_map
        code = codes.get(order.status, codes.get(Status.CANCELLED))
        if code is None:
            raise Held(
                f"{cancellation(order)}, and targets.{self.name}.status_map has no code for cancelled: add it, run "
                f"intake reload, then: intake release {self.name} {order.key}"
            )
        there = self._there(order, reference, target_id, HeldOrder[There])
        if there is None:
            return
        if there.marks:
            self._existing(there, order, reference)
        self._edit(there, reference, {"status": code})

    def expresses(self, status: Status) -> bool:
        """Return whether `status_map` has a code for the status."""
        return status in self.options.status_map

    def cancels(self, order: Order) -> bool:
        """Return whether the status alone is written: of an order to be stopped that cannot be written as a whole."""
        return super().cancels(order) or bool(
            stop(order)
            and self.expresses(order.status)
            and not is_writable(order, self._zone or UTC, self.options.currency, self._codes)
        )

    def _edit(self, there: There, reference: str, changes: object) -> None:
        name, by = (str(there.id), "id") if self._is_elsewhere(there, reference) else (reference, "externalId")
        path = f"orders/{segment(name)}/edit"
        self._written(self._post(path, "order", changes, ("by", by), site=there.site), Edited)

    def _is_elsewhere(self, there: There, reference: str) -> bool:
        """Return whether the order was moved to another site, which may reset its externalId."""
        moved = self.options.site is not None and there.site not in {None, self.options.site}
        return moved or there.external_id != reference

    @staticmethod
    def _written(answer: Answer, shape: type[Paid]) -> None:
        if answer.status in _REFUSALS:
            raise refused(answer).as_error(answer)
        parse(answer.request, lambda: shape.model_validate(answer.json()), Uncertain)

    def find(self, reference: str) -> Receipt | None:
        """Read `GET /orders/{externalId}`, and compare the id: the search may ignore the case.

        Raise Held for an order that has lines, and no mark of Intake on any of them: somebody else made it.
        """
        there = self._look(reference, HeldOrder[There])
        if there is not None and is_nobodys(there):
            raise Held(foreign(reference, self.name))
        return Receipt(str(there.id), existed=True, content=there) if there else None

    def recognize(self, order: Order, reference: str, receipt: Receipt, *, changed: bool) -> None:  # noqa: ARG002
        """Raise Held if the order has the mark of another one, or no mark and another time of creation."""
        if isinstance(there := receipt.content, There) and (there.marks or not order.removed):
            self._existing(there, order, reference)

    def _there(self, order: Order, reference: str, target_id: str, shape: type[HeldOrder[H]]) -> H | None:
        """Return the order by its externalId, or else by its id: a person may have moved it to another site.

        By the id, only an order with our mark counts: "External order IDs" says that a move may reset the externalId.
        """
        there = self._look(reference, shape)
        if there is not None or not target_id:
            return there
        answer = self._account.get(f"orders/{segment(target_id)}", [("by", "id")], _UNKNOWN)
        if answer.status in _UNKNOWN:
            return None
        moved = parse(answer.request, lambda: shape.model_validate(answer.json()), Unavailable).order
        return moved if any(mark.startswith(seal_of(order)) for mark in moved.marks) else None

    def _look(self, reference: str, shape: type[HeldOrder[H]]) -> H | None:
        path = f"orders/{segment(reference)}"
        answer = self._account.get(path, [("by", "externalId"), *self._site], _UNKNOWN)
        if answer.status in _UNKNOWN:
            self._account.settings()  # a wrong url has these statuses as well, with a text in the account's language
            if answer.status == BAD_REQUEST:
                raise Rejected(f"{answer.request}: status {answer.status}")
            return None
        held = parse(answer.request, lambda: shape.model_validate(answer.json()), Unavailable).order
        return held if held.external_id == reference else None

    def reader_options(self) -> dict[str, Any]:
        """Return the options of the same account, with our own writes kept and statuses by the codes that we write."""
        ours = self.options.model_dump(include={"api_key", "site", "time_zone", "currency"})
        statuses = {code: status for status, code in self.options.status_map.items()}
        return {**ours, "echo": "keep", "overlap": 0, "status_map": statuses}

    def view(self, order: Order, side: Side) -> View:
        """Return the fields that RetailCRM can hold."""
        return order_view(order, side, mapped=self.options.status_map)

    def check(self) -> None:
        """Check the key, its sites, and the codes of the settings (see `check_account`)."""
        check_account(self._account, self.options, self.name)

    def _account_zone(self) -> ZoneInfo:
        """Return the account's time zone. It is requested once if the options do not name it."""
        if self._zone is None:
            self._zone = ZoneInfo(self._account.settings().timezone.value)
        return self._zone

    def _request(self, order: Order, reference: str) -> OrderRequest:
        """Return the request. Raises Held if its total would be wrong, Rejected if it cannot be written at all.

        Raises Malformed for a reference that cannot stand in a path: the order could never be found by it.
        """
        segment(reference)
        return request_of(order, reference, self.name, self._account_zone(), self.options.currency, self._codes)

    def _post(self, path: str, name: str, body: object, *query: tuple[str, str], site: str | None = None) -> Answer:
        """Send a form with `body` as JSON in the field `name`. Return a refusal like any other answer.

        `site` is that of an existing order, which may be another one than that of the settings.
        """
        text = simplejson.dumps(body, use_decimal=True, separators=(",", ":"))
        form = [*query, (name, text), *([("site", site)] if site and self._site else self._site)]
        return self.client.write("POST", f"/api/v5/{path}", form=form, headers=self._account.headers, accept=_REFUSALS)
