"""The changes of RetailCRM's history: one that cannot be read as a whole is used as far as possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from schemas import retailcrm as wire
from worker.jsontext.encoding import text_of
from worker.jsontext.fragments import Fragment
from worker.systems.parsing import objects
from worker.systems.provider import Record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from worker.systems.retailcrm.feed import Place


#: What has to be known of a change besides its time, and what makes it a removal.
_NEEDED: Final = ("id", "order", "deleted", "combinedTo")
#: The years in which a change can have been made; at the ends of the calendar, no zone can be applied to a time.
_YEARS: Final = range(1971, 9000)


def readable(answer: wire.HistoryAsSent, place: Place, zone: ZoneInfo) -> tuple[wire.History, list[Record]]:
    """Return the page with the changes of which the history id and the order are known, and the others as records.

    A change without a time of its own counts as made at the time of the one before it: the history is sorted.
    """
    items = objects(answer.history)
    changes: list[wire.Change] = []
    unread: list[Record] = []
    for item, change in zip(items, map(_change, items), strict=True):
        made = changes[-1].created_at if changes else _first_time(items, answer, place, zone)
        found = change or _change({name: item[name] for name in _NEEDED if name in item} | {"createdAt": made})
        if found is None:
            unread.append(_record(item))
        else:
            changes.append(found)
    page = wire.History.model_construct(generated_at=answer.generated_at, history=changes, pagination=answer.pagination)
    return page, unread


def _change(item: dict[str, Any]) -> wire.Change | None:
    try:
        change = wire.Change.model_validate(item)
    except ValidationError:
        return None
    return change if change.created_at.year in _YEARS and not isinstance(item, Fragment) else None


def _first_time(items: Sequence[dict[str, Any]], answer: wire.HistoryAsSent, place: Place, zone: ZoneInfo) -> datetime:
    """Return the time of the first change that has one, or of the answer, or of the place."""
    changes = (change.created_at for item in items if (change := _change(item)))
    at = (place.read or place.safe).at.astimezone(zone).replace(tzinfo=None)
    return next(changes, answer.generated_at or at)


def _record(item: dict[str, Any]) -> Record:
    """Return the record of a change that cannot be read: its id is that of its order, if that is known."""
    order = item.get("order")
    own = {"id": order["id"]} if isinstance(order, dict) and "id" in order else {}
    reason = item.reason if isinstance(item, Fragment) else "the whole: not a change of an order"
    text = item.text if isinstance(item, Fragment) else ""
    return Record(Fragment(own, f"history: {reason}", "history", text or text_of(item)))
