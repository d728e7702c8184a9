"""The orders that wait in DropStream: they are read again, because no list shows when they move on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas.order import Status
from worker.errors import PermanentError, RetryableError, SnoozeError
from worker.systems.dropstream.statuses import has_ended, status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from worker.systems.provider import Record

#: How many waiting orders one poll reads again, by one call each.
_EACH_POLL: Final = 20
#: How many waiting orders are remembered in the cursor; of more, those that wait longest are given up.
_MOST: Final = 500


def waits(record: Record, status_map: Mapping[str, Status]) -> bool:
    """Return whether an order waits for a person or for another try, and is expected to move on."""
    state = record.raw.get("fulfillment_state")
    return isinstance(state, str) and status_of(state, status_map) is Status.ON_HOLD and not has_ended(state)


def remembered(waiting: tuple[int, ...], records: Iterable[Record], statuses: Mapping[str, Status]) -> tuple[int, ...]:
    """Return the ids of waiting orders after these records were read."""
    ids = dict.fromkeys(waiting)
    for record in records:
        order_id = record.raw.get("id")
        if not isinstance(order_id, int):
            continue
        if waits(record, statuses):
            ids.setdefault(order_id)
        else:
            ids.pop(order_id, None)
    return tuple(ids)[-_MOST:]


def read_again(
    waiting: tuple[int, ...], listed: Iterable[Record], fetch_one: Callable[[str], Record | None]
) -> tuple[list[Record], tuple[int, ...]]:
    """Read some waiting orders that were not listed again; return the records, and the ids in their new order.

    Of more than one poll reads, those that were read go to the end. An order that is gone is forgotten. One that cannot
    be read goes to the end and stops no feed: the next poll reads the others.
    """
    known = {record.raw.get("id") for record in listed}
    records: list[Record] = []
    rotates = len(waiting) > _EACH_POLL
    for order_id in [order_id for order_id in waiting if order_id not in known][:_EACH_POLL]:
        others = tuple(each for each in waiting if each != order_id)
        try:
            record = fetch_one(str(order_id))
        except (SnoozeError, RetryableError, PermanentError):
            return records, (*others, order_id)
        if record is None:
            waiting = others
            continue
        records.append(record)
        waiting = (*others, order_id) if rotates else waiting
    return records, waiting
