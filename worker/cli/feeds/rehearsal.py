"""A rehearsal: find out what a poll would do, by reading from both sides only."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from schemas.cancellation import stop
from schemas.changes import Changes
from tasks.accept import prepare
from tasks.dead_records import letter_id
from tasks.poll import wait_and_fetch
from worker.cli.feeds.differences import Change, differences
from worker.errors import Held, PermanentError
from worker.http.client import watch_requests
from worker.inbox.record import to_order
from worker.operations.requests import Previews, wait_for_limit
from worker.reconcile.sides import Sides, read_one
from worker.systems.provider import Unread
from worker.systems.view import differing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.order import Order
    from worker.operations.requests import RequestPreview
    from worker.runtime import Runtime
    from worker.store.orders.delivery import Delivery, OnChange
    from worker.store.orders.ledger import Standing
    from worker.systems.provider import Page
    from worker.systems.target import Receipt

#: Seconds to wait at most for a closed limit.
_PATIENCE: Final = 60.0


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
        self._previews = Previews(account.options for account in accounts)

    def close(self) -> None:
        """Close the connections."""
        for sides in self._sides.values():
            sides.close()

    def pages(self, cursor: str, most: int) -> Iterator[PagePreview]:
        """Yield up to `most` pages from `cursor` on. Raise what the calls to the provider and the targets raise."""
        for _ in range(most):
            preview = PagePreview()
            with watch_requests(lambda request: preview.reads.append(self._previews.of(request))):  # noqa: B023  # of this round
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
                preview.verdicts.append(OrderPreview(order.key, "is our own, or in no route: not forwarded"))
            for target, delivery in deliveries or ():
                if isinstance(delivery, PermanentError):
                    what = "would be a dead letter"
                    preview.verdicts.append(OrderPreview(order.key, what, target, detail=_detail(delivery)))
                    continue
                changes = differences(order, delivery.order)
                [corrected] = self._rt.ledger.corrected(target, [delivery])
                order_preview = replace(self._order(target, corrected, preview), changes=changes)
                preview.verdicts.append(order_preview)
                if order_preview.what == "would be created":
                    new.setdefault(target, []).append(corrected)
        for target, orders in new.items():
            self._add_bulk_writes(target, orders, preview)

    def _order(self, name: str, delivery: Delivery, preview: PagePreview) -> OrderPreview:
        """Return what would happen to an order, and add its writes to the page."""
        order, reference, hold = delivery.sent, delivery.reference, delivery.hold
        target, standing = self._sides[name].target, self._rt.ledger.standing(name, order.key)
        left_out = delivery.left_out or ("" if standing.state else delivery.before_start)
        receipt = wait_for_limit(lambda: self._find(name, reference))
        same, reason = standing.fingerprint == delivery.fingerprint, hold.partition(" ")[2]
        try:
            if receipt is not None and not standing.done:
                target.recognize(order, reference, receipt, changed=True)
            if hold and not same and (not left_out or standing.done):
                return OrderPreview(order.key, "would be held", name, reference, detail=reason)
            if receipt is None:
                outcome = _if_absent(standing, same=same, left_out=left_out)
                if outcome == "would be created":
                    writes = self._previews.stopped_writes(name, lambda: target.create(order, reference))
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
                writes = self._previews.stopped_writes(
                    name, lambda: target.change(order, reference, target_id, changes)
                )
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
        read = wait_for_limit(lambda: read_one(reader, target_id))
        if read is None:
            return ()
        return differing(view, self._sides[name].view(read, "target"))

    def _add_bulk_writes(self, name: str, orders: list[Delivery], preview: PagePreview) -> None:
        """Add the writes to a target that creates many orders at once."""
        target = self._sides[name].target
        for first in range(0, len(orders), target.bulk) if target.bulk > 1 else ():
            batch = [(delivery.sent, delivery.reference) for delivery in orders[first : first + target.bulk]]
            writes = self._previews.stopped_writes(
                name,
                lambda: target.create_many(batch) if len(batch) > 1 else target.create(*batch[0]),  # noqa: B023
            )
            preview.writes.setdefault(name, []).extend(writes)


def _detail(error: PermanentError) -> str:
    return ": ".join(filter(None, (getattr(error, "field", ""), str(error))))


def _if_absent(standing: Standing, *, same: bool, left_out: str) -> str:
    """Return what would happen to an order that the target does not have."""
    if standing.done:
        return "was delivered, but is not there"
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
    return {"update": "would be changed", "hold": "would be held"}.get(on_change, "is there; its change is ignored")
