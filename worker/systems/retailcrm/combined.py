"""Orders that were combined and are kept with a status of the group cancel: the history does not name their heirs.

"Actions for combined orders" (docs.simla.com): the goods move into another order; the status of the first and the lines
of the other change, both with the source `combine`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from schemas.cancellation import cancellation
from schemas.retailcrm_held import There
from worker.systems.provider import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from schemas import retailcrm as wire
    from schemas.order import Order

#: The field that is added to such an order: the id of the order that has its goods now, or null. No order has it.
COMBINED: Final = "combined"


def with_heirs(records: Sequence[Record], changes: Iterable[wire.Change]) -> list[Record]:
    """Return the records; those that a combination moved to another status are marked, with the heir if it is known.

    It is known if one order alone, of those whose lines a combination of these changes touched, has all their goods.
    """
    combining = [change for change in changes if change.source == "combine"]
    moved = {str(change.order.id) for change in combining if change.field == "status"}
    touched = {str(change.order.id) for change in combining} - moved
    if not moved:
        return list(records)
    heirs = {own: _goods(record.raw) for record in records if (own := str(record.raw.get("id"))) in touched}
    return [_marked(record, heirs) if str(record.raw.get("id")) in moved else record for record in records]


def as_combined(order: Order, heir: object) -> Order:
    """Return a marked order as one that was combined, unless it is live: then it was its status alone that changed."""
    if not cancellation(order):
        return order
    into = heir if isinstance(heir, str) else None
    return order.model_copy(update={"removed": "combined", "combined_into": into})


def _marked(record: Record, heirs: Mapping[str, Mapping[str, Decimal]]) -> Record:
    goods = _goods(record.raw)
    having = [own for own, theirs in heirs.items() if goods and _have(theirs, goods)]
    return Record({**record.raw, COMBINED: having[0] if len(having) == 1 else None}, record.version)


def _have(theirs: Mapping[str, Decimal], goods: Mapping[str, Decimal]) -> bool:
    return all(theirs.get(name, 0) >= quantity for name, quantity in goods.items())


def _goods(raw: Mapping[str, Any]) -> dict[str, Decimal]:
    """Return the quantities by offer, or else by name; of an order that cannot be read, none."""
    try:
        lines = There.model_validate(raw).items
    except ValidationError:
        return {}
    goods: dict[str, Decimal] = {}
    for line in lines:
        name = line.offer.id or line.name or ""
        goods[name] = goods.get(name, Decimal(0)) + (line.quantity or 0)
    return goods
