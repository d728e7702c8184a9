"""The orders of a target by reference: listed once after a lost ledger, instead of one search for each order."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from worker.doubt import Listing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.runtime import Runtime
    from worker.systems.target import Receipt

_READING: Final[dict[str, threading.Lock]] = {}


def target_index(rt: Runtime, name: str) -> Mapping[str, Receipt] | None:
    """Return the orders of the target `name` by reference, or None if each order must be searched for.

    An index exists only for a target whose search reads its whole list, and only after the orders that the lost ledger
    sent have had time to appear (`clocks.arrived`). It is used for orders that this ledger never sent, so it does not
    become outdated: only the ledger before it can have created them. Raise SnoozeError while it is read in part.
    """
    target = rt.targets[name]
    if not target.walks:
        return None
    epoch, age = rt.ledger.epoch()
    if age < rt.settings.clocks.arrived:
        return None
    # Of several calls at once, one reads the list.
    with _READING.setdefault(name, threading.Lock()):
        index = rt.target_indexes.get(name)
        if index is None or index[0] != epoch:
            index = rt.target_indexes[name] = (epoch, Listing(target))
        return index[1].read()
