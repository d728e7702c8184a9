"""Search a target for an order in doubt, and write the answer to the ledger."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final, Literal

from schemas.stored import stored_order
from worker.errors import IntakeError, OutOfTime, RetryableError, SnoozeError, Uncertain
from worker.systems.steps import Steps, continued

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from worker.store.orders.stuck import Stuck, StuckOrder
    from worker.systems.target import Receipt, Target

    Find = Callable[[str], Receipt | None]

#: found: delivered.
#: again: queued, because the order is certainly not there or can continue from a step; the lane asks once more first.
#: unknown: still in doubt.
#: away: still in doubt, because the target does not respond to anybody now.
Answer = Literal["found", "again", "unknown", "away"]


#: Seconds after which a list that was read in part has changed too much: it is read from its beginning.
_OUTDATED: Final = 600.0


class Listing:
    """The orders of a target that has no search: its list is read once, in as many parts as tasks have time for."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._begin()

    def _begin(self) -> None:
        self._receipts: dict[str, Receipt] = {}
        self._steps = Steps()
        #: Whether the list was read to its end; whether the last part ended because the time of the task was over, and
        #: when (`time.monotonic`).
        self.whole, self.interrupted, self._read = False, False, 0.0

    @property
    def begun(self) -> bool:
        """Whether the list was read in part: `read` continues there."""
        return bool(self._steps.place) and not self.whole

    def read(self) -> Mapping[str, Receipt]:
        """Return the orders by reference.

        Raise SnoozeError if the time of the task is over before the end of the list: the next call continues. Raise
        what `Target.everything` raises.
        """
        if self.whole:
            return self._receipts
        if time.monotonic() - self._read > _OUTDATED:
            self._begin()
        before, self.interrupted = self._steps.place, False
        try:
            with continued(self._steps):
                for reference, receipt in self._target.everything():
                    self._receipts[reference] = receipt
        except OutOfTime:
            if self._steps.place == before:
                raise
            self.interrupted = True
            raise SnoozeError("the list of the target has not been read to its end yet", 0.0) from None
        finally:
            self._read = time.monotonic()
        self.whole = True
        return self._receipts


def finder(target: Target, listing: Listing | None = None) -> Find:
    """Return the search for one round of orders: a target whose search reads its whole list is read once."""
    if not target.walks:
        return target.find
    listed = listing or Listing(target)
    return lambda reference: listed.read().get(reference)


def ask(target: Target, stuck: Stuck, order: StuckOrder, find: Find) -> Answer:
    """Search for one order by `find` (see `finder`), and write the answer to the ledger. Send nothing to the target."""
    if "step" in order.record:
        stuck.move("again", [order.key], source="to continue from its step")
        return "again"
    try:
        receipt, reference = _found(find, order)
        if receipt is not None and (payload := stuck.sent_payload(order.key)):
            changed = order.record.get("tried") != order.record.get("fingerprint")
            target.recognize(stored_order(payload), reference, receipt, changed=changed)
    except SnoozeError:
        return "away"
    except Exception as error:  # noqa: BLE001  # a bug of an adapter concerns this order, not the others
        return _failed(stuck, order, error)
    if receipt is not None:
        if reference != order.record["reference"]:
            stuck.note_reference(order.key, reference)
        stuck.move("delivered", [order.key], source="asked", target_id=receipt.target_id or "")
        return "found"
    if order.record.get("uncertain") == "1" and not target.settles:
        why = f"{target.kind}: it may have been sent, but is not visible there yet"
        stuck.move("note", [order.key], code=Uncertain.code, detail=why)
        return "unknown"
    stuck.move("again", [order.key], source="asked: it is not there")
    return "again"


def _found(find: Find, order: StuckOrder) -> tuple[Receipt | None, str]:
    """Return the receipt of the order and the reference under which it was found: its own, or a former one."""
    for reference in (order.record["reference"], *json.loads(order.record.get("former", "[]"))):
        if (receipt := find(reference)) is not None:
            return receipt, reference
    return None, ""


def _failed(stuck: Stuck, order: StuckOrder, error: Exception) -> Answer:
    code, detail = "bug", f"{type(error).__name__} while asking for it"
    if isinstance(error, IntakeError):
        code, detail = error.code, str(error)
    stuck.move("note", [order.key], code=code, detail=detail)
    return "away" if isinstance(error, RetryableError) else "unknown"
