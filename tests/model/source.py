"""The provider of the model: a feed of changed orders, each read with its current content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from model import faults
from support.fake_runtime import Shop
from worker.systems.provider import Page, Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.order import Order

PAGE = 2
#: The fields of contents that are no notes.
CONTENTS: Final[dict[str, dict[str, Any]]] = {
    "bad": {"bad": "x"},
    "cancelled": {"note": "fine", "status": "cancelled"},
    "test": {"note": "fine", "test": True},
}


class Source(Shop):
    """Orders by id with all their versions, and a feed of the changed ids with the version of each change."""

    def __init__(self, mishap: Callable[[str], None]) -> None:
        super().__init__([])
        self.orders: dict[str, list[dict[str, Any]]] = {}
        self.feed: list[tuple[str, int]] = []
        self.versions = 0
        #: Called with a fault that happens while an order is read ("redis lost", "edited meanwhile").
        self.mishap = mishap
        self.fault = ""

    def write(self, external_id: str, content: str) -> dict[str, Any]:
        """Add or change an order; a content that is not in `CONTENTS` becomes its note."""
        self.versions += 1
        raw: dict[str, Any] = {"id": external_id, "version": self.versions}
        raw |= CONTENTS.get(content, {"note": content})
        self.orders.setdefault(external_id, []).append(raw)
        return raw

    def touch(self, external_id: str) -> None:
        """Add the order's newest version to the feed."""
        self.feed.append((external_id, self.orders[external_id][-1]["version"]))

    def newest(self, external_id: str) -> Order | None:
        """Return the current order, or None if it cannot be read."""
        raw = self.orders[external_id][-1]
        return None if "bad" in raw else self.normalize(Record(raw))

    def _befall(self, names: dict[str, Any]) -> None:
        if self.fault in names:
            fault, self.fault = self.fault, ""
            error = names[fault]()
            raise error

    def normalize(self, record: Record) -> Order:
        """Return an order that was placed before the ledger began, as those that a lost ledger has delivered."""
        return super().normalize(Record(record.raw | {"ordered_at": "2026-01-02T03:04:05Z"}))

    def fetch(self, cursor: str) -> Page:
        self._befall(faults.BEFORE)
        at = int(cursor)
        records = [Record(dict(self.orders[external_id][-1])) for external_id, _ in self.feed[at : at + PAGE]]
        page = Page(records, str(at + len(records)), more=at + len(records) < len(self.feed))
        self._read()
        return page

    def fetch_one(self, external_id: str) -> Record | None:
        self._befall(faults.BEFORE)
        record = Record(dict(self.orders[external_id][-1])) if external_id in self.orders else None
        self._read()
        return record

    def _read(self) -> None:
        self._befall(faults.AFTER)
        if self.fault:
            fault, self.fault = self.fault, ""
            self.mishap(fault)
