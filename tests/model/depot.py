"""The target of the model: it accepts duplicates, forgets nothing, and fails on demand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from model import faults
from worker.errors import Held, IntakeError, Rejected
from worker.systems.target import Pending, Receipt, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from schemas.changes import Changes
    from schemas.order import Order


@dataclass(frozen=True)
class Traits:
    """The capabilities of the target."""

    updates: bool = False
    #: Whether it refuses duplicates itself.
    dedupes: bool = False
    #: False: a create whose response was lost is not visible until time has passed.
    settles: bool = True
    bulk: int = 1
    #: Whether it accepts an order first and creates it only at the second request.
    steps: bool = False
    #: Whether it can cancel an order.
    cancels: bool = False


@dataclass
class Made:
    """An order in the target, and what the target knows it by."""

    order: Order
    reference: str
    visible: bool = True
    ready: bool = True
    cancelled: bool = False


class Depot(Target):
    """A target that keeps every order ever created, by its id at the source: two of one id are a duplicate."""

    kind = "depot"
    Options = BaseModel
    default_limit, documented_limit, settles = "10/s", None, True

    def __init__(self, traits: Traits, redis_lost: Callable[[], None]) -> None:
        self.name, self.traits = "t", traits
        self.updates, self.dedupes = traits.updates, traits.dedupes  # type: ignore[misc]  # each depot has its own traits
        self.settles, self.bulk = traits.settles, traits.bulk  # type: ignore[misc]  # as above
        self.made: dict[str, list[Made]] = {}
        #: The highest version written since the ledger was new, by the same id.
        self.highest: dict[str, int] = {}
        self.wrong: list[str] = []
        #: The faults of the next writes and of the next read.
        self.writes: list[str] = []
        self.read = ""
        self.redis_lost = redis_lost
        #: Returns what is wrong with creating this order now, or "".
        self.objection: Callable[[Order], str] = lambda _: ""
        #: Called in a search, if the fault of the next read is "cancelled meanwhile".
        self.cancel_meanwhile: Callable[[], None] = lambda: None

    def clear_faults(self) -> None:
        self.writes, self.read = [], ""

    def appear(self) -> None:
        """Make every order ready and visible, because time has passed."""
        for made in self.made.values():
            for order in made:
                order.visible = order.ready = True

    def _befall(self, names: dict[str, Callable[[], Any]], fault: str) -> None:
        if fault == "redis lost" and names is faults.AFTER:
            self.redis_lost()
        if fault in names:
            error = names[fault]()
            raise error

    def _written(self, order: Order) -> None:
        version, key = order.version or 0, order.external_id
        if version < self.highest.get(key, 0):
            self.wrong.append(f"{key}: version {version} was sent after {self.highest[key]}")
        self.highest[key] = max(version, self.highest.get(key, 0))

    def _known(self, order: Order, reference: str) -> Made:
        """Return the order that is to be changed, which the ledger must know by the reference that it was made with."""
        made = self.made[order.external_id][-1]
        if made.reference != reference:
            self.wrong.append(f"{order.external_id}: made as {made.reference}, and changed as {reference}")
        return made

    @staticmethod
    def _check(order: Order) -> None:
        if order.note == "refused":
            raise Rejected("422: note", {"note": ["is not to their taste"]})
        if order.note == "unmapped":
            raise Held("no product for it")

    def _create(self, order: Order, reference: str, fault: str) -> Receipt | Pending:
        existing = self.made.setdefault(order.external_id, [])
        if self.dedupes and any(made.reference == reference for made in existing):
            self._befall(faults.AFTER, fault)
            return Receipt(str(reference), existed=True)
        self._check(order)
        if objection := self.objection(order):
            self.wrong.append(f"{reference}: created, although {objection}")
        made = Made(order, reference)
        existing.append(made)
        self._written(order)
        made.ready = not self.traits.steps
        made.visible = self.settles
        self._befall(faults.AFTER, fault)
        if self.traits.steps:
            return Pending(f"step-{reference}", 0.0)
        made.visible = True
        return Receipt(str(reference))

    def create(self, order: Order, reference: str) -> Receipt | Pending:
        fault = self.writes.pop(0) if self.writes else ""
        self._befall(faults.BEFORE, fault)
        return self._create(order, reference, fault)

    def create_many(self, batch: Sequence[tuple[Order, str]]) -> list[Receipt | IntakeError]:
        fault = self.writes.pop(0) if self.writes else ""
        self._befall(faults.BEFORE, fault)
        results: list[Receipt | IntakeError] = []
        for number, (order, reference) in enumerate(batch, 1):
            try:
                # The response is lost after all of them were created.
                made = self._create(order, reference, fault if number == len(batch) else "")
                assert isinstance(made, Receipt), "a target that takes steps takes one order in a call"
                results.append(made)
            except (Rejected, Held) as error:
                results.append(error)
        return results

    def resume(self, order: Order, reference: str, step: str) -> Receipt | Pending:
        self._befall(faults.BEFORE, self.read)
        made = self._known(order, reference)
        if not made.ready:
            made.ready = True
            return Pending(step, 0.0)
        made.visible = True
        return Receipt(str(reference))

    def update(self, order: Order, reference: str, target_id: str, changes: Changes) -> None:
        fault = self.writes.pop(0) if self.writes else ""
        self._befall(faults.BEFORE, fault)
        self._check(order)
        self._written(order)
        made = self._known(order, reference)
        made.order, made.cancelled = order, False
        self._befall(faults.AFTER, fault)

    def cancel(self, order: Order, reference: str, target_id: str) -> None:
        if not self.traits.cancels:
            super().cancel(order, reference, target_id)
        fault = self.writes.pop(0) if self.writes else ""
        self._befall(faults.BEFORE, fault)
        self._written(order)
        self._known(order, reference).cancelled = True
        self._befall(faults.AFTER, fault)

    def find(self, reference: str) -> Receipt | None:
        read, self.read = self.read, ""
        if read == "cancelled meanwhile":
            self.cancel_meanwhile()
        self._befall(faults.BEFORE, read)
        self._befall(faults.AFTER, read)
        seen = any(made.visible and made.reference == reference for each in self.made.values() for made in each)
        return Receipt(str(reference), existed=True) if seen else None

    def absent(self, references: Collection[str]) -> Collection[str]:
        return [reference for reference in references if self.find(reference) is None]

    def check(self) -> None:
        return
