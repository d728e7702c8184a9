"""Asking a target for an order in doubt: whether it is there after all."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal

from worker.errors import IntakeError, RetryableError, SnoozeError, Uncertain

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.store.orders.stuck import Stuck, StuckOrder
    from worker.systems.target import Receipt, Target

    Find = Callable[[str], Receipt | None]

#: found: delivered. again: it is certainly not there, or has a step to go on from; its lane asks once more, then sends.
#: unknown: it stays in doubt. away: the same, and the target answers nobody now.
Answer = Literal["found", "again", "unknown", "away"]


def finder(target: Target) -> Find:
    """How to find orders of one round: a target that is walked through for each order is walked through once."""
    if not target.walks:
        return target.find

    @cache
    def everything() -> dict[str, Receipt]:
        return dict(target.everything())

    return lambda reference: everything().get(reference)


def ask(target: Target, stuck: Stuck, order: StuckOrder, find: Find) -> Answer:
    """Ask for one order under the target's limit (`find`: see `finder`), and write down the answer; sends nothing."""
    if "step" in order.record:
        stuck.move("again", [order.key], who="to go on from its step")
        return "again"
    try:
        found = find(order.record["reference"])
    except SnoozeError:
        return "away"
    except Exception as error:  # noqa: BLE001  # what an adapter stumbles over is this order's, not the others'
        return _failed(stuck, order, error)
    if found is not None:
        stuck.move("delivered", [order.key], who="asked", said=found.target_id or "")
        return "found"
    if order.record.get("uncertain") == "1" and not target.settles:
        why = f"{target.kind}: it may have been sent, and is not to be seen there yet"
        stuck.move("note", [order.key], said=Uncertain.code, detail=why)
        return "unknown"
    stuck.move("again", [order.key], who="asked: it is not there")
    return "again"


def _failed(stuck: Stuck, order: StuckOrder, error: Exception) -> Answer:
    code, detail = "bug", f"{type(error).__name__} while asking for it"
    if isinstance(error, IntakeError):
        code, detail = error.code, str(error)
    stuck.move("note", [order.key], said=code, detail=detail)
    return "away" if isinstance(error, RetryableError) else "unknown"
