"""A cursor described for a person, from the fields that the adapters write into it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from worker.operations.times import ago

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Labels of the fields of a cursor; a field of another package's adapter is its own label.
_LABELS: Final = {
    "safe": "everything read up to",
    "read": "this walk reached",
    "at": "read up to",
    "newest": "newest order seen",
    "since": "this walk began with",
    "until": "this walk ends at",
    "window": "window ends at",
    "page": "pages read in this walk",
    "rows": "position in the list",
    "moment": "moment read separately",
    "base": "this list begins at",
    "session": "session",
    "total": "orders listed",
    "seen": "orders seen at that time",
    "passes": "completed walks",
}
#: The fields that hold the time up to which everything is read; the first one present counts.
_TIME_FIELDS: Final = ("safe", "at", "newest", "since")
#: A longer list is shown as its length.
_FEW: Final = 2


def cursor_time(cursor: str | None) -> datetime | None:
    """Return the time up to which everything is read, if the cursor has one."""
    fields = _decoded(cursor)
    for name in _TIME_FIELDS:
        for value in _values(fields.get(name)):
            if isinstance(value, datetime):
                return value
    return None


def describe_cursor(cursor: str | None, now: datetime) -> list[tuple[str, str]]:
    """Return a label and a text for each field of the cursor; the whole cursor, if it is not a JSON object."""
    if not cursor:
        return [("cursor", "none yet: the first poll begins at start")]
    fields = _decoded(cursor)
    if not fields:
        return [("cursor", cursor)]
    return [(_LABELS.get(name, name), _text(value, now)) for name, value in fields.items()]


def _decoded(cursor: str | None) -> dict[str, Any]:
    try:
        fields = json.loads(cursor or "")
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _values(value: Any) -> Iterator[Any]:
    parts = value if isinstance(value, list) else [value]
    for part in parts:
        yield _time(part) or part


def _time(value: Any) -> datetime | None:
    if not isinstance(value, str) or "T" not in value:
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _text(value: Any, now: datetime) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(part, now)}" for name, part in value.items())
    if isinstance(value, list) and len(value) > _FEW:
        return f"{len(value)}"
    texts = [
        f"{part:%Y-%m-%d %H:%M:%S} UTC ({ago((now - part).total_seconds())})"
        if isinstance(part, datetime)
        else f"id {part}"
        if isinstance(value, list)
        else str(part)
        for part in _values(value)
    ]
    return ", ".join(text for text in texts if text != "id 0")
