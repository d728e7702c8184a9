"""Search a target for an order in doubt, and write the answer to the ledger."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Literal

from schemas.order import Order
from worker.errors import IntakeError, RetryableError, SnoozeError, Uncertain

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.store.orders.stuck import Stuck, StuckOrder
    from worker.systems.target import Receipt, Target

    Find = Callable[[str], Receipt | None]

#: found: delivered.
#: again: queued, because the order is certainly not there or can continue from a step; the lane asks once more first.
#: unknown: still in doubt.
#: away: still in doubt, because the target does not respond to anybody now.
Answer = Literal["found", "again", "unknown", "away"]


def finder(target: Target) -> Find:
    """Return the search for one round of orders: a target whose search reads its whole list is read once."""
    if not target.walks:
        return target.find

    @cache
    def everything() -> dict[str, Receipt]:
        return dict(target.everything())

    return lambda reference: everything().get(reference)


def ask(target: Target, stuck: Stuck, order: StuckOrder, find: Find) -> Answer:
    """Search for one order by `find` (see `finder`), and write the answer to the ledger. Send nothing to the target."""
    if "step" in order.record:
        stuck.move("again", [order.key], source="to go on from its step")
        return "again"
    try:
        receipt, reference = _found(find, order)
        if receipt is not None and (payload := stuck.payload(order.key)):
            changed = order.record.get("tried") != order.record.get("fingerprint")
            target.recognize(Order.model_validate_json(payload), reference, receipt, changed=changed)
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
        why = f"{target.kind}: it may have been sent, and is not to be seen there yet"
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
