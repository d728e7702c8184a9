"""What a target holds, looked through once for all the orders that a lost ledger makes us ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.runtime import Runtime
    from worker.systems.target import Receipt


def target_index(rt: Runtime, name: str) -> Mapping[str, Receipt] | None:
    """The orders that the target `name` held by reference, seen since the ledger began; None: ask for each by itself.

    Only where asking for one order means to walk through all of them. It tells of orders that this ledger has never
    sent, so it does not grow old: they can have come from the ledger before only.
    """
    target = rt.targets[name]
    if not target.walks:
        return None
    epoch, age = rt.ledger.epoch()
    if age < rt.settings.clocks.arrived:
        return None
    known = rt.target_indexes.get(name)
    if known is None or known[0] != epoch:
        known = rt.target_indexes[name] = (epoch, dict(target.everything()))
    return known[1]
