"""A rehearsal: find out what a poll would do, by reading from both sides only."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import quote_plus

from pydantic import SecretStr

from schemas.cancellation import stop
from schemas.changes import Changes
from tasks.accept import prepare
from tasks.dead_records import letter_id
from tasks.poll import wait_and_fetch
from worker.cli.feeds.differences import Change, differences
from worker.errors import Held, LeaseLost, PermanentError, RateLimited
from worker.http.client import guard_writes, watch_requests
from worker.inbox.record import to_order
from worker.reconcile.sides import Sides, read_one
from worker.systems.provider import Unread
from worker.systems.view import differing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import BaseModel

    from schemas.order import Order
    from worker.http.client import Request
    from worker.runtime import Runtime
    from worker.store.orders.ledger import Delivery, OnChange, Standing
    from worker.systems.provider import Page
    from worker.systems.target import Receipt

T = TypeVar("T")
#: Headers that are shown; the value of any other may be a secret.
_OPEN: Final = frozenset({"user-agent", "accept", "accept-encoding", "content-type", "content-length"})
_MASK: Final = "***"
#: Seconds to wait at most for a closed limit.
_PATIENCE: Final = 60.0


class NotSent(LeaseLost):
    """A write was stopped before it was sent. Like a lost lease, no adapter catches it."""


@dataclass(frozen=True, slots=True)
class RequestPreview:
    """A request as it would be sent, its secrets masked; the body is personal data."""

    method: str
    url: str
    headers: dict[str, str]
    body: str = ""


@dataclass(frozen=True, slots=True)
class OrderPreview:
    """What would happen to one order in one target; `target` is "" for an order that goes to none."""

    key: str
    what: str
    target: str = ""
    reference: str = ""
    #: The names of the fields that differ in the target.
    fields: tuple[str, ...] = ()
    detail: str = ""
    #: What the transform of the route changes; personal data.
    changes: tuple[Change, ...] = ()


@dataclass(slots=True)
class PagePreview:
    """One page: the reads that were sent for it, what would happen to each order, and the writes that would follow."""

    reads: list[RequestPreview] = field(default_factory=list)
    verdicts: list[OrderPreview] = field(default_factory=list)
    #: By target.
    writes: dict[str, list[RequestPreview]] = field(default_factory=dict)
    more: bool = False


class Rehearsal:
    """A poll of one provider that writes nothing; in Redis it changes only the counts of the limits."""

    def __init__(self, rt: Runtime, name: str) -> None:
        self._rt, self._name = rt, name
        targets = rt.settings.targets_of(name)
        self._sides = {target: Sides(rt, name, target, 1.0) for target in targets}
        self._receipts: dict[str, dict[str, Receipt]] = {}
        accounts = [rt.settings.providers[name], *(rt.settings.targets[target] for target in targets)]
        secrets = {secret for account in accounts for secret in _secrets(account.options)}
        self._secrets = sorted(secrets, key=len, reverse=True)

    def close(self) -> None:
        """Close the connections."""
        for sides in self._sides.values():
            sides.close()

    def pages(self, cursor: str, most: int) -> Iterator[PagePreview]:
        """Yield up to `most` pages from `cursor` on. Raise what the calls to the provider and the targets raise."""
        for _ in range(most):
            preview = PagePreview()
            with watch_requests(lambda request: preview.reads.append(self._preview(request))):  # noqa: B023  # of this round
                page = self._fetch(cursor)
            self._add_orders(page, preview)
            preview.more = page.more
            yield preview
            if not page.more:
                return
            cursor = page.cursor

    def _fetch(self, cursor: str) -> Page:
        try:
            return wait_and_fetch(self._rt.providers[self._name], cursor, time.monotonic() + _PATIENCE)
        except Unread as unread:
            if unread.account:
                raise
            return unread.page

    def _add_orders(self, page: Page, preview: PagePreview) -> None:
        provider = self._rt.providers[self._name]
        new: dict[str, list[Delivery]] = {}
        for record in page.records:
            try:
                order = to_order(provider, record)
                deliveries = prepare(self._rt, order)
            except PermanentError as error:
                key = f"{self._name}:{letter_id(provider, record)}"
                preview.verdicts.append(OrderPreview(key, "could not be read", detail=_detail(error)))
                continue
            if not deliveries:
                preview.verdicts.append(OrderPreview(order.key, "is ours, or in no route: not carried on"))
            for target, delivery in deliveries or ():
                if isinstance(delivery, PermanentError):
                    what = "would be a dead letter"
                    preview.verdicts.append(OrderPreview(order.key, what, target, detail=_detail(delivery)))
                    continue
                changes = differences(order, delivery.order)
                order_preview = replace(self._order(target, delivery, preview), changes=changes)
                preview.verdicts.append(order_preview)
                if order_preview.what == "would be created":
                    new.setdefault(target, []).append(delivery)
        for target, orders in new.items():
            self._add_bulk_writes(target, orders, preview)

    def _order(self, name: str, delivery: Delivery, preview: PagePreview) -> OrderPreview:
        """Return what would happen to an order, and add its writes to the page."""
        order, reference, hold = delivery.order, delivery.reference, delivery.hold
        target, standing = self._sides[name].target, self._rt.ledger.standing(name, order.key)
        left_out = delivery.left_out or ("" if standing.state else delivery.before_start)
        receipt = _wait_for_limit(lambda: self._find(name, reference))
        same, reason = standing.fingerprint == delivery.fingerprint, hold.partition(" ")[2]
        try:
            if receipt is not None and not standing.done:
                target.recognize(order, reference, receipt, changed=True)
            if hold and not same and (not left_out or standing.done):
                return OrderPreview(order.key, "would be held", name, reference, detail=reason)
            if receipt is None:
                outcome = _if_absent(standing, same=same, left_out=left_out)
                if outcome == "would be created":
                    writes = self._stopped_writes(name, lambda: target.create(order, reference))
                    if target.bulk == 1:
                        preview.writes.setdefault(name, []).extend(writes)
                return OrderPreview(order.key, outcome, name, reference, detail=left_out or reason)
            fields = self._differing(name, order, receipt)
            change: OnChange = self._rt.on_change(self._name, name)
            if change == "update" and not target.updates and not stop(order):
                change = "ignore"
            outcome = _if_present(standing, change, same=same)
            if outcome == "would be changed":
                changes, target_id = (
                    Changes.between(bytes.fromhex(standing.sent_fields), order),
                    receipt.target_id or "",
                )
                writes = self._stopped_writes(name, lambda: target.change(order, reference, target_id, changes))
                preview.writes.setdefault(name, []).extend(writes)
            return OrderPreview(order.key, outcome, name, reference, fields, receipt.target_id or "")
        except Held as error:
            return OrderPreview(order.key, "would be held", name, reference, detail=str(error))
        except PermanentError as error:
            return OrderPreview(order.key, "would be refused", name, reference, detail=str(error))

    def _find(self, name: str, reference: str) -> Receipt | None:
        target = self._sides[name].target
        if not target.walks:
            return target.find(reference)
        if name not in self._receipts:
            self._receipts[name] = dict(target.everything())
        return self._receipts[name].get(reference)

    def _differing(self, name: str, order: Order, receipt: Receipt) -> tuple[str, ...]:
        """Return the fields that differ in the target; none if its kind cannot be read."""
        reader, target_id = self._sides[name].reader, receipt.target_id
        view = self._sides[name].view(order, "source")
        if not view or reader is None or not target_id:
            return ()
        read = _wait_for_limit(lambda: read_one(reader, target_id))
        if read is None:
            return ()
        return differing(view, self._sides[name].view(read, "target"))

    def _add_bulk_writes(self, name: str, orders: list[Delivery], preview: PagePreview) -> None:
        """Add the writes to a target that creates many orders at once."""
        target = self._sides[name].target
        for first in range(0, len(orders), target.bulk) if target.bulk > 1 else ():
            batch = [(delivery.order, delivery.reference) for delivery in orders[first : first + target.bulk]]
            writes = self._stopped_writes(
                name,
                lambda: target.create_many(batch) if len(batch) > 1 else target.create(*batch[0]),  # noqa: B023
            )
            preview.writes.setdefault(name, []).extend(writes)

    def _stopped_writes(self, name: str, write: Callable[[], object]) -> list[RequestPreview]:
        """Return the requests that `write` would send first; it is stopped there, so later requests are unknown."""
        writes: list[RequestPreview] = []

        def record(request: Request) -> None:
            if request.method != "GET":
                writes.append(self._preview(request))
                raise NotSent(f"{name}: a rehearsal sends nothing")

        def stop() -> None:
            raise NotSent(f"{name}: a rehearsal sends nothing")

        try:
            with watch_requests(record), guard_writes(stop):
                _wait_for_limit(write)
        except NotSent:
            pass
        return writes

    def _preview(self, request: Request) -> RequestPreview:
        headers = {name: text if name.lower() in _OPEN else _MASK for name, text in request.headers.items()}
        body = request.body.decode("utf-8", "replace")
        return RequestPreview(request.method, self._masked(request.url), headers, self._masked(body))

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _MASK).replace(quote_plus(secret), _MASK)
        return text


def _detail(error: PermanentError) -> str:
    return ": ".join(filter(None, (getattr(error, "field", ""), str(error))))


def _secrets(options: BaseModel) -> Iterator[str]:
    for name in type(options).model_fields:
        value = getattr(options, name)
        if isinstance(value, SecretStr) and value.get_secret_value():
            yield value.get_secret_value()


def _if_absent(standing: Standing, *, same: bool, left_out: str) -> str:
    """Return what would happen to an order that the target does not have."""
    if standing.done:
        return "was delivered, and is not there"
    if left_out:
        return "is left out"
    if standing.state in {"queued", "claimed"}:
        return "is on its way"
    if standing.state and (same or standing.state == "in_doubt"):
        return f"stays {standing.state.replace('_', ' ')}"
    return "would be created"


def _if_present(standing: Standing, on_change: str, *, same: bool) -> str:
    """Return what would happen to an order that the target has."""
    if not standing.done or same:
        return "is there"
    return {"update": "would be changed", "hold": "would be held"}.get(on_change, "is there, its change is ignored")


def _wait_for_limit(call: Callable[[], T]) -> T:
    """Return the result of `call`, repeated while a limit is closed, for at most a minute."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return call()
        except RateLimited as limited:
            if time.monotonic() + limited.delay > until:
                raise
            time.sleep(limited.delay)
