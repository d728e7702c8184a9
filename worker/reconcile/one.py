"""Compare one order now: the fields that differ, with their values on both sides, which are personal data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from worker.errors import PermanentError
from worker.http.task_time import time_for_calls
from worker.reconcile.run import Run, RunOptions
from worker.reconcile.sides import read_one
from worker.systems.view import differing

if TYPE_CHECKING:
    from worker.runtime import Runtime

#: Seconds to wait for a limit or a system that is away, and in which calls begin: somebody waits for the page.
_PATIENCE: Final = 5.0


class Compared(NamedTuple):
    """The values that differ, by field, in the source and in the target; and why there are none."""

    values: dict[str, tuple[str, str]]
    note: str = ""


def compare_one(rt: Runtime, provider: str, target: str, external_id: str, target_id: str) -> Compared:
    """Read an order on both sides, and compare its fields. Raise what a call raises, after a few seconds."""
    now = rt.now()
    with Run(rt, RunOptions(provider, target, now, now)) as run, time_for_calls(_PATIENCE):
        if run.sides.reader is None:
            raise PermanentError(f"{target} cannot be read field by field")
        order = read_one(run.sides.source, external_id, _PATIENCE)
        if order is None:
            return Compared({}, f"{provider} does not have this order any more")
        [delivery] = rt.ledger.corrected(target, [run.route(order)])
        held = read_one(run.sides.reader, target_id, _PATIENCE) if target_id else None
        if held is None:
            return Compared({}, f"{target} does not have this order")
        source, there = run.sides.view(delivery.sent, "source"), run.sides.view(held, "target")
    values = {name: (source[name], there.get(name, "")) for name in differing(source, there)}
    return Compared(values, "" if values else "Both sides are the same now")
