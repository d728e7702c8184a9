"""The history of an account of RetailCRM: one record for every field of an order that changed."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from worker.lab.sandbox.wire import dump

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True)
class Event:
    """One history record; `body` lacks its closing brace, as the last field depends on the reader."""

    id: int
    at: str
    key: str | None
    order_id: int
    external_id: str | None
    body: bytes
    #: True for a record that pages count but never show.
    hidden: bool = False

    def text(self, key: str) -> bytes:
        """Return the record as shown to the holder of `key`."""
        if self.key is None:
            return self.body + b"}"
        return self.body + (b',"apiKey":{"current":true}}' if self.key == key else b',"apiKey":{"current":false}}')


class History:
    """The history records of one account, oldest first; `now` is the account's clock."""

    def __init__(self, now: Callable[[], str]) -> None:
        self._now = now
        self._events: list[Event] = []
        self._last_id = 0

    def after(self, since: int) -> list[Event]:
        """Return the records after the record `since`."""
        return self._events[bisect_right(self._events, since, key=lambda event: event.id) :]

    def hide(self, count: int) -> None:
        """Add records that pages count but never show, so that a page before the last can be empty."""
        for _ in range(count):
            self.record({"id": 0}, None, "rule", "status", None, None)
            self._events[-1].hidden = True

    def record(  # noqa: PLR0913, PLR0917  # the columns of a record
        self,
        order: dict[str, Any],
        key: str | None,
        source: str,
        field: str,
        old: Any,
        new: Any,
        extra: dict[str, Any] | None = None,
        at: str | None = None,
    ) -> None:
        """Add the record of one changed field; `key` is that of the writer, `at` the time if it is not now."""
        # Ids have gaps: other accounts and other kinds of records draw from the same sequence.
        self._last_id += 1 + self._last_id % 3
        when = at or self._now()
        fields = {
            "id": self._last_id,
            "createdAt": when,
            **(extra or {}),
            "source": source,
            **({"user": {"id": 6}} if source == "user" else {}),
            "field": field,
            "oldValue": old,
            "newValue": new,
            "order": order,
        }
        self._events.append(Event(self._last_id, when, key, order["id"], order.get("externalId"), dump(fields)[:-1]))

    def record_items(self, order: dict[str, Any], key: str | None, source: str, old: Any, new: Any) -> None:
        """Add the records of added, removed and changed items."""
        old_items, new_items = ({item["id"]: item for item in items} for items in (old, new))
        for number in {**old_items, **new_items}:
            extra = {"item": {"id": number}}
            if number not in old_items or number not in new_items:
                before, after = ({"id": number} if number in items else None for items in (old_items, new_items))
                self.record(order, key, source, "order_product", before, after, extra)
                continue
            for field in new_items[number]:
                before, after = (items[number].get(field) for items in (old_items, new_items))
                if before != after and field != "prices":
                    self.record(order, key, source, f"order_product.{field}", before, after, extra)
