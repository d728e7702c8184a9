"""Dropboy (by Wuxus) as a target (docs.dropboy.com/reference, "batch-upload"): an order becomes a transport job."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, Self
from uuid import UUID
from zoneinfo import ZoneInfo

import simplejson
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from schemas import dropboy_batch as wire
from schemas.dropboy import flat, id_of, number_of
from schemas.minor_units import Currency, to_minor, to_unit
from worker.errors import Held, OutOfTime, Rejected, Unavailable, Uncertain
from worker.http.paths import segment
from worker.systems.dropboy.api import BAD_REQUEST, Api, envelope_of, refused
from worker.systems.dropboy.view import PROMISED, order_view
from worker.systems.parsing import parse
from worker.systems.target import Need, Pending, Receipt, Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from schemas.order import Order
    from worker.systems.view import Side, View

#: Seconds until the first status request of an upload; the documents ask for a "reasonable frequency".
_DELAY: Final = 5.0
_FAILED: Final = re.compile(r"upload failed", re.IGNORECASE)
_NAME: Final = re.compile(r"[A-Za-z0-9]{1,99}")


class Pickup(wire.Party):
    """Where the carrier fetches the goods: a shop's order does not say it. `phone` is written +45 12 34 56 78."""

    address: str
    zip_code: str
    city: str


class DropboyOptions(BaseModel):
    """The keys of a Dropboy account.

    `origin` is the table of the place that orders are fetched from. `contract_key` names the contract by which
    somebody else carries them. `cargo_type` is what the one piece of an order is; the docs show no other word than
    pallet. `price` sends the order's grand total, which needs the `currency` of the account: Dropboy is told none, so
    an order in another is refused. `time_zone` makes a promised day a time window; without it the day stands in the
    comments. `take` orders are asked for at once when one is looked for.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    api_key: SecretStr
    origin: Pickup
    contract_key: UUID | None = None
    order_type: Literal["adhoc", "distribution"] = "distribution"
    cargo_type: Annotated[str, Field(min_length=1)] = "pallet"
    price: Literal["send", "leave_out"] = "leave_out"
    currency: Currency | None = None
    time_zone: ZoneInfo | None = None
    take: Annotated[int, Field(ge=1, le=1000)] = 200

    @model_validator(mode="after")
    def _priced(self) -> Self:
        if self.price == "send" and self.currency is None:
            raise ValueError('price = "send" needs the currency of the account')
        return self


class Dropboy(Target):
    """One account. No document promises that a second order with the same number is refused.

    The list may lag behind, or not show numbers. Each order is uploaded as a file of its own: which row of a file
    became which order is not documented.
    """

    kind: ClassVar[str] = "dropboy"
    Options: ClassVar[type[BaseModel]] = DropboyOptions
    #: Only the key distinguishes two accounts.
    identified_by: ClassVar[tuple[str, ...]] = ("api_key",)
    default_url: ClassVar[str | None] = "https://api.wuxus.com"
    default_limit: ClassVar[str] = "2/s"
    documented_limit: ClassVar[str | None] = None
    settles: ClassVar[bool] = False
    walks: ClassVar[bool] = True

    def configure(self, options: DropboyOptions) -> None:
        """Take over the account's options."""
        self.options: DropboyOptions = options
        self._api = Api(self.client, options.api_key, options.take)
        key = options.contract_key
        self._terms = wire.Terms(
            contract_key=None if key is None else str(key),
            order_type=options.order_type,
            cargo_type=options.cargo_type,
            origin=options.origin,
            zone=options.time_zone,
        )

    def create(self, order: Order, reference: str) -> Receipt | Pending:
        """Upload a file by `POST /public/orders/batch`: the answer confirms the file, not the order."""
        content = simplejson.dumps(self._file(order, reference).body(), separators=(",", ":")).encode()
        answer = self.client.write(
            "POST",
            "/public/orders/batch",
            files=[("batch", ("orders.json", content, "application/json"))],
            headers=self._api.headers,
            accept=frozenset({BAD_REQUEST}),
        )
        envelope = envelope_of(answer, Uncertain)
        if not envelope.success:
            if answer.status < BAD_REQUEST and any(_FAILED.search(text) for text in envelope.messages):
                raise Unavailable(f"{answer.request}: status {answer.status}: the upload failed")
            raise refused(answer, envelope)
        uploaded = parse(answer.request, lambda: wire.Uploaded.model_validate(envelope.result), Uncertain)
        return Pending(uploaded.batch_file_id, _DELAY)

    def resume(self, order: Order, reference: str, step: str) -> Receipt | Pending:  # noqa: ARG002  # `step` names the file
        """Read `GET /public/orders/batch/status/{id}`. The id of a created order decides, whatever the status is."""
        answer = self._api.read(f"/public/orders/batch/status/{segment(step)}")
        envelope = envelope_of(answer, Unavailable)
        if not envelope.success:  # not known yet, or no longer: only the list can show the order
            return self._found(reference, f"{answer.request}: status {answer.status}: the file is not known")
        progress = parse(answer.request, lambda: wire.Progress.model_validate(envelope.result), Unavailable)
        if progress.status == "processing":
            return Pending(step, _DELAY)
        if progress.created_order_ids:
            return Receipt(progress.created_order_ids[0])
        if progress.status == "completed" and not progress.errors:
            return self._found(reference, f"{answer.request}: completed, with neither an order nor an error")
        # The step is opaque and belongs to the ledger: it is not part of the message.
        raise _rejection(progress)

    def find(self, reference: str) -> Receipt | None:
        """Search the whole of `GET /public/orders`: no filter by number is documented.

        None proves little: an upload that is being processed is not in the list.
        """
        return next((receipt for number, receipt in self.everything() if number == reference), None)

    def everything(self) -> Iterator[tuple[str, Receipt]]:
        """Read the whole of `GET /public/orders`."""
        rows = numbered = 0
        interrupted: OutOfTime | None = None
        try:
            for row in self._api.rows():
                number, target_id = number_of(row), id_of(row)
                rows, numbered = rows + 1, numbered + ("orderNumber" in flat(row))
                if number and target_id:
                    yield number, Receipt(target_id, existed=True)
        except OutOfTime as error:
            interrupted = error
        if rows and not numbered:
            raise Rejected("GET /public/orders: the list does not show order numbers: a person must check it")
        if interrupted:
            raise interrupted

    def reader_options(self) -> dict[str, Any]:
        """Return the options of the same account. Jobs without a destination are accepted."""
        return {**self.options.model_dump(include={"api_key", "currency", "time_zone", "take"}), "bare": "accept"}

    def needs(self) -> Sequence[Need]:
        """Return the parts of an address that a driver needs, and the amount, if it is sent."""
        remedy = "Send these orders elsewhere: a transport needs an address."
        parts = ("street1", "city")
        needs = [Need(f"shipping_address.{part}", "every order is held", remedy) for part in parts]
        if self.options.price == "send":
            currency = "Write the currency of the provider, if it has that option."
            needs.append(Need("totals.grand", "no order has a price", currency, required=False))
        return needs

    def view(self, order: Order, side: Side) -> View:
        """Return the fields that Dropboy can hold."""
        file = wire.BatchFile.of(order, "", self._terms, None) if side == "source" else None
        fields = order_view(order, file.data[0].order if file else None)
        if self.options.price == "leave_out":
            fields["total"] = ""
        if self.options.time_zone is None:
            fields |= dict.fromkeys(PROMISED, "")
        return fields

    def check(self) -> None:
        """Read one order of the list."""
        self._api.check()

    def _file(self, order: Order, reference: str) -> wire.BatchFile:
        """Return the file. Raise Held for an order that cannot be carried, before anything is uploaded."""
        if order.test:
            raise self._held(order, "Dropboy has no test orders, and would deliver this one")
        file = wire.BatchFile.of(order, reference, self._terms, self._price(order))
        if missing := file.missing():
            raise self._held(order, f"Dropboy cannot carry an order without {', '.join(missing)}")
        return file

    def _held(self, order: Order, reason: str, remedy: str = "Correct it at its source") -> Held:
        return Held(f"{reason}. {remedy}, or: intake release {self.name} {order.key} --drop")

    def _price(self, order: Order) -> int | None:
        """Return what the customer pays, or None where it is not to be sent, or not known."""
        currency = self.options.currency
        total = order.grand_total
        if self.options.price == "leave_out" or currency is None or not (order.totals.grand is not None or total):
            return None
        if order.currency not in {currency, None}:
            reason = f"currency: the order is in {order.currency}, the account in {currency}"
            raise self._held(order, reason, 'Write price = "leave_out"')
        if total < 0:
            raise self._held(order, "totals.grand: below zero")
        try:
            return to_minor(total if order.totals.grand is not None else to_unit(total, currency), currency)
        except ValueError as inexact:
            raise self._held(order, f"totals.grand: {inexact}") from None

    def _found(self, reference: str, problem: str) -> Receipt:
        with suppress(Rejected):  # a list without numbers proves nothing
            if receipt := self.find(reference):
                return receipt
        raise Unavailable(problem)


def _rejection(progress: wire.Progress) -> Rejected:
    """Return the error. The messages may repeat what we sent: they become fields, the error names fields only."""
    paths = {".".join(filter(_NAME.fullmatch, fault.path)) for fault in progress.errors}
    names = ", ".join(sorted(filter(None, paths))) or "no field named"
    fields = {"errors": [fault.model_dump(exclude_none=True) for fault in progress.errors]}
    return Rejected(f"GET /public/orders/batch/status: {progress.status}: {names}", fields)
