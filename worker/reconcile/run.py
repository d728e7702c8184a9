"""One run: list both sides, then ask again for each order that looks wrong before it is reported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, Self

from worker.errors import PermanentError
from worker.reconcile.edited import edited
from worker.reconcile.report import Finding, Report
from worker.reconcile.sides import Sides, call_patiently, read, read_one, walk
from worker.reconcile.spill import Candidate, Spill
from worker.settings.references import external_id_in, former_references, shared_with
from worker.settings.routes import route_since
from worker.store.orders.ledger import Standing
from worker.systems.references import decode, encode
from worker.systems.view import differing

if TYPE_CHECKING:
    from schemas.order import Order
    from worker.reconcile.report import Fault
    from worker.runtime import Runtime
    from worker.settings.routes import Route
    from worker.store.orders.corrections import Stored
    from worker.store.orders.delivery import Delivery
    from worker.systems.view import Side

    #: A finding, the delivery of the source's order if there is one, and its state in the ledger; None: all is right.
    Outcome = tuple[Finding, Delivery | None, Standing] | None
    #: Repairs a finding if that is possible. Returns what was done.
    Repair = Callable[["Run", Finding, Delivery, Standing], str]

#: Called with the step of a run and the number of orders done.
Progress = Callable[[str, int], None]
#: The target is listed from this much earlier: clocks differ, and an order is created after it was placed.
_EARLIER: Final = timedelta(hours=1)
#: The states in which an order is on its way, or given up by a person, and the count for it.
_NOT_JUDGED: Final = {"queued": "on_the_way", "claimed": "on_the_way", "discarded": "discarded"}


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The pair and the range of a run: orders placed at or after `since` and before `until`.

    `share` is the part of each limit that the run may use. An order that changed in the last `grace` seconds may still
    be on its way. The report keeps `most` findings of each fault.
    """

    provider: str
    target: str
    since: datetime
    until: datetime
    share: float = 1.0
    grace: float = 600.0
    most: int = 20


def grace_of(rt: Runtime, provider: str) -> float:
    """Return the seconds in which a change may not have been polled yet: two polls, but at least ten minutes."""
    return max(600.0, 2 * rt.settings.providers[provider].poll_every)


class Run:
    """A context manager that deletes its temporary file at the end."""

    def __init__(self, rt: Runtime, options: RunOptions, progress: Progress = lambda *_: None) -> None:
        self.rt, self.options, self._progress = rt, options, progress
        self._pair = options.provider, options.target
        self.routes: list[Route] = [
            route
            for route in rt.settings.routes
            if route.source == options.provider and options.target in route.targets
        ]
        #: These, and those by which orders were created before.
        self._all_routes = [
            *self.routes,
            *(route for route in rt.settings.former_routes if (route.source, *route.targets) == self._pair),
        ]
        self.sides = Sides(rt, options.provider, options.target, options.share)
        self._alphabet, self._view = self.sides.target.alphabet, self.sides.view
        self._spill = Spill()
        self._began = datetime.fromtimestamp(rt.cursors.now() / 1000, UTC)
        how: Literal["listed", "asked"] = "listed" if self.sides.reader else "asked"
        self.report = Report(options.provider, options.target, options.since, options.until, how, most=options.most)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._spill.__exit__()
        self.sides.close()

    def compare(self, repair: Repair | None = None) -> Report:
        """Compare both sides and return the report; `repair` is called for each finding that has an order."""
        self._walk_source()
        self._walk_target()
        self._walk_recent()
        counts = self.report.counts
        counts["source"], counts["target"] = self._spill.counts()
        steps = (
            ("missing", self._spill.missing(), self._missing),
            ("duplicated", self._spill.duplicated(), self._duplicated),
            ("different", self._spill.different(), self._different),
            ("extra", self._spill.unknown(self.options.since.timestamp()), self._extra),
        )
        for step, candidates, judge in steps:
            for done, candidate in enumerate(candidates, 1):
                try:
                    self._settle(judge(candidate), repair)
                except PermanentError as error:
                    self.report.add(Finding("unreadable", candidate.reference, remedy=str(error)))
                self._progress(f"checking again: {step}", done)
        return self.report

    def route(self, order: Order) -> Delivery:
        """Return the delivery that the routes make of an order; raise PermanentError as they do.

        An order that was placed before the start of its provider is left out, unless the ledger has it: then it was
        delivered, or a backfill requested it.
        """
        start, target = self.rt.settings.start_of(order.provider), self.sides.target
        written = partial(encode, alphabet=self._alphabet, longest=target.longest)
        delivery = route_since(start, self.routes, order, written)
        templates = self.rt.settings.templates.get((order.provider, self.options.target), ())[1:]
        former = former_references(self.routes[0], order, templates, written)
        into = [route for route in self.rt.settings.all_routes if self.options.target in route.targets]
        delivery = replace(delivery, former=former, shared=shared_with(self.routes[0], order, into))
        if not delivery.before_start:
            return delivery
        standing = self.rt.ledger.standing(self.options.target, order.key)
        if standing.done or standing.requested:
            return replace(delivery, before_start="")
        return replace(delivery, left_out=delivery.left_out or delivery.before_start)

    def _walk_source(self) -> None:
        done = 0
        for records in walk(self.sides.source, self.options.since):
            orders = []
            for record in records:
                order = read(self.sides.source, record)
                if order is None:
                    self.report.add(Finding("unreadable", "", remedy="a record of the source"))
                else:
                    orders.append(order)
            self._spill.add_source(self._rows(orders))
            done += len(records)
            self._progress(f"reading {self.options.provider}", done)

    def _rows(self, orders: list[Order]) -> list[tuple[str, str, bool, bytes]]:
        """Return the rows of the orders that belong in the target, each by the reference that it was created with."""
        keys = [order.key for order in orders]
        known = self.rt.ledger.references(self.options.target, keys)
        corrections = self.rt.ledger.corrections.of(self.options.target, keys)
        rows = map(self._row, orders, known, corrections)
        return [row for row in rows if row]

    def _row(self, order: Order, known: str, corrections: Stored) -> tuple[str, str, bool, bytes] | None:
        if self.rt.is_echo(order):
            return None
        try:
            delivery = self.route(order)
        except PermanentError:
            return None  # the poll makes it a dead letter, with the reason
        if corrections.version:
            delivery = replace(delivery, corrections=corrections)
        reference = known or delivery.reference
        if not reference:
            return None
        digest = self._digest(delivery.sent, "source")
        expected = delivery.wanted and self.options.since <= order.ordered_at < self.options.until
        return reference, order.external_id, expected, digest

    def _digest(self, order: Order, side: Side) -> bytes:
        """Return the digest of a view; of an order that has none, one that differs: it is looked at again, alone."""
        try:
            view = self._view(order, side)
        except PermanentError:
            return self._spill.digest({"unreadable": side})
        if side == "source":
            self.report.compared = tuple(view)
        return self._spill.digest(view)

    def _walk_target(self) -> None:
        reader, done = self.sides.reader, 0
        if reader is None:
            return
        for records in walk(reader, self.options.since - _EARLIER):
            rows = []
            for record in records:
                order = read(reader, record)
                if order is not None and not order.removed and (reference := self._ours(order)):
                    digest = self._digest(order, "target")
                    rows.append((order.external_id, reference, order.ordered_at.timestamp(), digest))
            self._spill.add_target(rows)
            done += len(records)
            self._progress(f"reading {self.options.target}", done)

    def _ours(self, order: Order) -> str | None:
        """Return the reference of an order in the target; None if it was not made by a route of this pair."""
        reference = self.sides.reference_of(order)
        if reference and any(route.may_have_made(decode(reference, self._alphabet)) for route in self._all_routes):
            return reference
        return None

    def _walk_recent(self) -> None:
        """Mark the orders that changed recently, or during the run: their differences may still be on their way."""
        for records in walk(self.sides.source, self._began - timedelta(seconds=self.options.grace)):
            orders = [order for record in records if (order := read(self.sides.source, record))]
            self._spill.add_recent(self._rows(orders))

    def _settle(self, outcome: Outcome, repair: Repair | None) -> None:
        if outcome is None:
            return
        finding, delivery, standing = outcome
        if repair and delivery is not None:
            finding = replace(finding, remedy=repair(self, finding, delivery, standing))
        self.report.add(finding)

    def _standing(self, candidate: Candidate) -> Standing | None:
        """Return the state in the ledger, which is asked first; None if the order cannot be judged now."""
        standing = self.rt.ledger.standing(self.options.target, f"{self.options.provider}:{candidate.external_id}")
        if count := _NOT_JUDGED.get(standing.state):
            self.report.counts[count] += 1
            return None
        return standing

    def _fresh(self, candidate: Candidate, standing: Standing) -> Delivery | None:
        """Return the current order of the source; None if it is gone, or if its last change is not in the ledger."""
        order = read_one(self.sides.source, candidate.external_id)
        if order is None:
            self.report.counts["gone"] += 1
            return None
        [delivery] = self.rt.ledger.corrected(self.options.target, [self.route(order)])
        if candidate.recent and delivery.fingerprint != standing.fingerprint:
            self.report.counts["on_the_way"] += 1
            return None
        return delivery

    def _missing(self, candidate: Candidate) -> Outcome:
        standing = self._standing(candidate)
        if standing is None:
            return None
        receipt = call_patiently(lambda: self.sides.target.find(candidate.reference))
        if receipt is not None:
            self.report.counts["unlisted"] += 1
            if self.sides.reader is None or not self.report.compared or not receipt.target_id:
                return None
            return self._different(candidate._replace(target_ids=(receipt.target_id,)))
        if not self.sides.target.settles and self._is_late(standing):
            self.report.counts["on_the_way"] += 1
            return None
        delivery = self._fresh(candidate, standing)
        if delivery is None or not delivery.wanted or (not standing.state and self._is_there_as_before(delivery)):
            return None
        return Finding("missing", candidate.reference, delivery.order.key, state=standing.state), delivery, standing

    def _is_there_as_before(self, delivery: Delivery) -> bool:
        """Return whether the target has an order that the ledger does not know by a former template."""
        found = any(call_patiently(partial(self.sides.target.find, reference)) for reference in delivery.former)
        self.report.counts["unlisted"] += found
        return found

    def _is_late(self, standing: Standing) -> bool:
        """Return whether it was delivered so recently that the target may not show it yet."""
        return bool(standing.done) and int(standing.done) / 1000 > self._began.timestamp() - self.options.grace

    def _duplicated(self, candidate: Candidate) -> Outcome:
        assert self.sides.reader is not None  # noqa: S101  # only a reader lists orders
        reader, key = self.sides.reader, f"{self.options.provider}:{candidate.external_id}"
        present = tuple(
            target_id
            for target_id in candidate.target_ids
            if (order := read_one(reader, target_id)) and self._ours(order) == candidate.reference
        )
        if len(present) < 2:  # noqa: PLR2004  # a duplicate
            return None
        return Finding("duplicated", candidate.reference, key, present), None, Standing()

    def _different(self, candidate: Candidate) -> Outcome:
        assert self.sides.reader is not None  # noqa: S101  # only a reader lists orders
        reader, (target_id,) = self.sides.reader, candidate.target_ids
        standing = self._standing(candidate)
        if standing is None or (delivery := self._fresh(candidate, standing)) is None or delivery.before_start:
            return None
        order = delivery.sent
        source = self._view(order, "source")
        moved = self._spill.digest(source) != self._spill.source_digest(candidate.reference)
        held = read_one(reader, target_id)
        target = self._view(held, "target") if held else {}
        fields = differing(source, target)
        if self.sides.target.cancels(order):
            # Where it is cancelled there too, nothing else of it is sent any more.
            fields = tuple(name for name in fields if name == "cancelled")
        if not fields:
            return None
        if held is None or (moved and delivery.fingerprint != standing.fingerprint):
            # One of the sides changed since it was listed: the next run decides.
            self.report.counts["on_the_way"] += 1
            return None
        edits = edited(fields, bytes.fromhex(standing.sent_fields), order)
        faults = tuple(name for name in fields if name not in edits)
        values = {name: (source[name], target.get(name, "")) for name in faults or fields}
        fault: Fault = "different" if faults else "edited"
        ids = (target_id,)
        finding = Finding(fault, candidate.reference, order.key, ids, tuple(values), standing.state, values=values)
        return finding, delivery if faults else None, standing

    def _extra(self, candidate: Candidate) -> Outcome:
        """Report an order that the source does not have; ask the source where the reference contains its id."""
        reference = decode(candidate.reference, self._alphabet)
        external_id = next(filter(None, (external_id_in(route, reference) for route in self._all_routes)), "")
        if external_id and call_patiently(lambda: self.sides.source.fetch_one(external_id)):
            self.report.counts["older"] += 1
            return None
        return Finding("extra", candidate.reference, target_ids=candidate.target_ids), None, Standing()
