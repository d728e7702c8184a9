"""A cursor in words: what the adapters write into theirs, told to a person."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from worker.cli.times import ago

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What a field of a cursor says, where its name alone does not; a cursor of another package's is told by its names.
_WORDS: Final = {
    "safe": "everything is read up to",
    "read": "this walk came to",
    "at": "read up to",
    "newest": "newest order seen",
    "since": "this walk began at",
    "until": "this walk ends at",
    "window": "window ends at",
    "page": "pages of this walk read",
    "session": "session",
    "total": "orders listed",
    "seen": "orders of the last moment",
    "passes": "walks done",
}
#: Where the time stands up to which all is read, the first that is there.
_MOMENTS: Final = ("safe", "at", "newest", "since")
#: A list that is longer is counted.
_FEW: Final = 2


def moment(cursor: str | None) -> datetime | None:
    """Up to when everything is read, as far as the cursor tells it."""
    place = _decoded(cursor)
    for name in _MOMENTS:
        for value in _flat(place.get(name)):
            if isinstance(value, datetime):
                return value
    return None


def lines(cursor: str | None, now: datetime) -> list[tuple[str, str]]:
    """The cursor field by field, in words; itself, where nothing is known of its form."""
    if not cursor:
        return [("cursor", "none yet: the first poll begins at look_back")]
    place = _decoded(cursor)
    if not place:
        return [("cursor", cursor)]
    return [(_WORDS.get(name, name), _said(value, now)) for name, value in place.items()]


def _decoded(cursor: str | None) -> dict[str, Any]:
    try:
        place = json.loads(cursor or "")
    except ValueError:
        return {}
    return place if isinstance(place, dict) else {}


def _flat(value: Any) -> Iterator[Any]:
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


def _said(value: Any, now: datetime) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_said(part, now)}" for name, part in value.items())
    if isinstance(value, list) and len(value) > _FEW:
        return f"{len(value)}"
    parts = [
        f"{part:%Y-%m-%d %H:%M:%S} UTC ({ago((now - part).total_seconds())})"
        if isinstance(part, datetime)
        else f"id {part}"
        if isinstance(value, list)
        else str(part)
        for part in _flat(value)
    ]
    return ", ".join(part for part in parts if part != "id 0")
