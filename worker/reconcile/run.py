"""One run: both sides are walked over, and what looks wrong is asked for again before it is called so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Self

from worker.errors import PermanentError, Rejected
from worker.reconcile.report import Finding, Report
from worker.reconcile.sides import Sides, patiently, read, read_one, walk
from worker.reconcile.spill import Candidate, Spill
from worker.store.orders.ledger import Standing
from worker.systems.references import decode, encode
from worker.systems.view import differing

if TYPE_CHECKING:
    from schemas.order import Order
    from worker.runtime import Runtime
    from worker.settings.routes import Route
    from worker.systems.view import Side, View

    #: What is wrong, the source's order if it is there, what the ledger believed; None: nothing is.
    Found = tuple[Finding, Order | None, Standing] | None
    #: Does about a finding what it can, and answers what that was.
    Repair = Callable[["Run", Finding, Order, Standing], str]

#: How far a run is: the step, orders done.
Tell = Callable[[str, int], None]
#: An order is made in the target after it was ordered, by clocks that may differ by so much.
_EARLIER: Final = timedelta(hours=1)
#: States in which an order is on its way.
_MOVING: Final = frozenset({"queued", "claimed"})


@dataclass(frozen=True, slots=True)
class Wish:
    """What to compare: orders placed at or after `since` and before `until`.

    `share` is the part of each limit that the run may use. An order that changed in the last `grace` seconds may be on
    its way. `most` findings of each fault are kept.
    """

    provider: str
    target: str
    since: datetime
    until: datetime
    share: float = 1.0
    grace: float = 600.0
    most: int = 20


def grace_of(rt: Runtime, provider: str) -> float:
    """Seconds in which a change may not have been polled yet: two polls, and ten minutes at least."""
    return max(600.0, 2 * rt.settings.providers[provider].poll_every)


class Run:
    """A context manager, so that the file of the run is gone with it."""

    def __init__(self, rt: Runtime, wish: Wish, tell: Tell = lambda *_: None) -> None:
        self.rt, self.wish, self._tell = rt, wish, tell
        self.routes: list[Route] = [
            route for route in rt.settings.routes if route.source == wish.provider and wish.target in route.targets
        ]
        self.sides = Sides(rt, wish.provider, wish.target, wish.share)
        self._alphabet = self.sides.target.alphabet
        self._spill = Spill()
        self._began = datetime.fromtimestamp(rt.cursors.now() / 1000, UTC)
        self.report = Report(
            wish.provider,
            wish.target,
            wish.since,
            wish.until,
            "listed" if self.sides.reader else "asked",
            most=wish.most,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._spill.__exit__()
        self.sides.close()

    def compare(self, repair: Repair | None = None) -> Report:
        """Compare, and let `repair` do about a finding what it can; it answers what that was."""
        self._walk_source()
        self._walk_target()
        self._walk_young()
        counts = self.report.counts
        counts["source"], counts["target"] = self._spill.counts()
        steps = (
            ("missing", self._spill.missing(), self._missing),
            ("doubled", self._spill.doubled(), self._doubled),
            ("different", self._spill.different(), self._different),
            ("extra", self._spill.unknown(self.wish.since.timestamp()), self._extra),
        )
        for step, candidates, judge in steps:
            for done, candidate in enumerate(candidates, 1):
                try:
                    self._settle(judge(candidate), repair)
                except PermanentError as error:
                    self.report.add(Finding("unreadable", candidate.reference, remedy=str(error)))
                self._tell(f"looking again at what is {step}", done)
        return self.report

    def view(self, order: Order, side: Side) -> View:
        """Return the fields by which the order is compared."""
        return self.sides.target.view(order, side)

    def reference(self, order: Order) -> tuple[str, bool]:
        """What the target knows the order by, and whether a route wants it there; raises Rejected as a route does."""
        wanted = [route for route in self.routes if route.accepts(order)]
        reference = (wanted or self.routes)[0].reference_of(order)
        return encode(reference, self._alphabet), bool(wanted)

    def _walk_source(self) -> None:
        done = 0
        for records in walk(self.sides.source, self.wish.since):
            rows = []
            for record in records:
                order = read(self.sides.source, record)
                if order is None:
                    self.report.add(Finding("unreadable", "", remedy="a record of the source"))
                elif row := self._row(order):
                    rows.append(row)
            self._spill.add_source(rows)
            done += len(records)
            self._tell(f"reading {self.wish.provider}", done)

    def _row(self, order: Order) -> tuple[str, str, bool, bytes] | None:
        """The row of an order of the source; None if it does not belong into the target."""
        if self.rt.is_echo(order):
            return None
        try:
            reference, wanted = self.reference(order)
        except Rejected:
            return None  # its poll buries it, and says why
        view = self.view(order, "source")
        self.report.compared = tuple(view)
        asked = wanted and self.wish.since <= order.ordered_at < self.wish.until
        return reference, order.external_id, asked, self._spill.digest(view)

    def _walk_target(self) -> None:
        reader, done = self.sides.reader, 0
        if reader is None:
            return
        for records in walk(reader, self.wish.since - _EARLIER):
            rows = []
            for record in records:
                order = read(reader, record)
                if order is not None and (reference := self._ours(order)):
                    digest = self._spill.digest(self.view(order, "target"))
                    rows.append((order.external_id, reference, order.ordered_at.timestamp(), digest))
            self._spill.add_target(rows)
            done += len(records)
            self._tell(f"reading {self.wish.target}", done)

    def _ours(self, order: Order) -> str | None:
        """The reference under which an order stands in the target, if it is one of this pair's."""
        text = self.sides.reference_of(order)
        return (
            text if text and any(route.may_have_made(decode(text, self._alphabet)) for route in self.routes) else None
        )

    def _walk_young(self) -> None:
        """What changed of late, or while the walks went on: differences in it may be on their way."""
        for records in walk(self.sides.source, self._began - timedelta(seconds=self.wish.grace)):
            orders = [order for record in records if (order := read(self.sides.source, record))]
            self._spill.add_young([row for order in orders if (row := self._row(order))])

    def _settle(self, found: Found, repair: Repair | None) -> None:
        if found is None:
            return
        finding, order, standing = found
        if repair and order is not None:
            finding = replace(finding, remedy=repair(self, finding, order, standing))
        self.report.add(finding)

    def _standing(self, candidate: Candidate) -> Standing | None:
        """What the ledger believes, asked before anybody else is; None if there is nothing to judge."""
        standing = self.rt.ledger.standing(self.wish.target, f"{self.wish.provider}:{candidate.external_id}")
        if standing.state in _MOVING:
            self.report.counts["on_the_way"] += 1
            return None
        if standing.state == "discarded":
            self.report.counts["discarded"] += 1
            return None
        return standing

    def _fresh(self, candidate: Candidate, standing: Standing) -> Order | None:
        """The source's order as it is now; None if it is gone, or changed of late, and the ledger does not know."""
        order = read_one(self.sides.source, candidate.external_id)
        if order is None:
            self.report.counts["gone"] += 1
        elif candidate.young and order.fingerprint() != standing.fingerprint:
            self.report.counts["on_the_way"] += 1
            return None
        return order

    def _missing(self, candidate: Candidate) -> Found:
        standing = self._standing(candidate)
        if standing is None:
            return None
        receipt = patiently(lambda: self.sides.target.find(candidate.reference))
        if receipt is not None:
            self.report.counts["unlisted"] += 1
            if self.sides.reader is None or not self.report.compared or not receipt.target_id:
                return None
            return self._different(candidate._replace(target_ids=(receipt.target_id,)))
        if not self.sides.target.settles and self._is_late(standing):
            self.report.counts["on_the_way"] += 1
            return None
        order = self._fresh(candidate, standing)
        if order is None or not any(route.accepts(order) for route in self.routes):
            return None
        return Finding("missing", candidate.reference, order.key, state=standing.state), order, standing

    def _is_late(self, standing: Standing) -> bool:
        """Whether it was delivered so short a time ago that the target may not show it yet."""
        return bool(standing.done) and int(standing.done) / 1000 > self._began.timestamp() - self.wish.grace

    def _doubled(self, candidate: Candidate) -> Found:
        assert self.sides.reader is not None  # noqa: S101  # nothing else lists
        reader, key = self.sides.reader, f"{self.wish.provider}:{candidate.external_id}"
        left = tuple(
            target_id
            for target_id in candidate.target_ids
            if (order := read_one(reader, target_id)) and self._ours(order) == candidate.reference
        )
        if len(left) < 2:  # noqa: PLR2004  # a double
            return None
        return Finding("doubled", candidate.reference, key, left), None, Standing()

    def _different(self, candidate: Candidate) -> Found:
        assert self.sides.reader is not None  # noqa: S101  # nothing else lists
        reader, (target_id,) = self.sides.reader, candidate.target_ids
        standing = self._standing(candidate)
        if standing is None or (order := self._fresh(candidate, standing)) is None:
            return None
        there = self.view(order, "source")
        moved = self._spill.digest(there) != self._spill.said(candidate.reference)
        held = read_one(reader, target_id)
        here = self.view(held, "target") if held else {}
        fields = differing(there, here)
        if not fields:
            return None
        if held is None or (moved and order.fingerprint() != standing.fingerprint):
            # Either side has moved since it was walked over: the next run tells.
            self.report.counts["on_the_way"] += 1
            return None
        values = {name: (there[name], here.get(name, "")) for name in fields}
        finding = Finding(
            "different", candidate.reference, order.key, (target_id,), fields, standing.state, values=values
        )
        return finding, order, standing

    def _extra(self, candidate: Candidate) -> Found:
        """Only if the source itself does not know it, where the reference says which of its orders it would be."""
        external_id = self._external_id(decode(candidate.reference, self._alphabet))
        if external_id and patiently(lambda: self.sides.source.fetch_one(external_id)):
            self.report.counts["older"] += 1
            return None
        return Finding("extra", candidate.reference, target_ids=candidate.target_ids), None, Standing()

    def _external_id(self, reference: str) -> str:
        """The id that a reference was made of, if it was made of that alone."""
        for route in self.routes:
            if route.reference.replace("{provider}", "").count("{") == 1 and "{external_id}" in route.reference:
                start, end = route.edges
                if route.may_have_made(reference):
                    return reference[len(start) : len(reference) - len(end)]
        return ""
