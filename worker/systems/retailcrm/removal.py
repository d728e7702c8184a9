"""Orders that were deleted, or combined with another one: the history says so, and the order itself is gone."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from schemas.order import Order, Status, Totals
from worker.systems.provider import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from zoneinfo import ZoneInfo

    from schemas import retailcrm as wire

#: The field that makes a record one of a removal: the order that has the goods now, or true. No order has it.
REMOVAL: Final = "removal"


def removals(changes: Iterable[wire.Change], site: str | None) -> dict[str, Record]:
    """Return a record for each order of `site`, or of all sites, that these changes remove, by the order's id."""
    records: dict[str, Record] = {}
    for change in changes:
        order = change.order
        if change.is_removal and (not site or order.site in {None, site}):
            raw: dict[str, Any] = {"id": order.id, "externalId": order.external_id, "site": order.site}
            raw |= {"removedAt": change.created_at.isoformat(), REMOVAL: change.combined_to or True}
            records[str(order.id)] = Record(raw, change.id)
    return records


def to_removed_order(raw: Mapping[str, Any], provider: str, version: int | None, zone: ZoneInfo) -> Order:
    """Return the removed order, of which nothing but its ids and its end is known."""
    heir = raw[REMOVAL]
    return Order(
        provider=provider,
        external_id=str(raw["id"]),
        source_id=_text(raw.get("externalId")),
        store=_text(raw.get("site")),
        version=version,
        status=Status.CANCELLED,
        removed="deleted" if heir is True else "combined",
        combined_into=_text(heir.get("id")) if isinstance(heir, dict) else None,
        ordered_at=datetime.fromisoformat(raw["removedAt"]).replace(tzinfo=zone),
        lines=(),
        totals=Totals(),
    )


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else None
