"""The `start` of a provider: the time from which on orders have to be placed so that they are created."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, ValidationInfo

from worker.settings.tables import SettingError

#: The range of a start. Every zone can express both ends.
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)
#: The characters of a date; a text with more of them has a time as well.
_DAY: Final = len("2026-12-01")


def start_line(now: datetime) -> str:
    """Return the line of the settings that starts an account today."""
    return f'start = "{now.astimezone(UTC):%Y-%m-%d}"'


def format_start(start: datetime) -> str:
    """Return the start as the settings may write it: a date if it is midnight UTC."""
    return f"{start:%Y-%m-%d}" if start.time() == time() else start.isoformat().replace("+00:00", "Z")


def _start(value: Any, info: ValidationInfo) -> datetime:
    """Return a date (midnight UTC) or a time with its zone, as text or as TOML's own type, in UTC."""
    if value is None:
        table = f"[providers.{info.data.get('name', 'NAME')}]"
        remedy = f"Add below {table}: {start_line(datetime.now(UTC))}. Orders placed before that day are not created."
        raise SettingError("is missing", remedy)
    moment = _parsed(value)
    if moment is None:
        remedy = 'Write "2026-12-01", which is midnight UTC, or a time with its zone: "2026-12-01T08:00:00+01:00".'
        raise SettingError("is neither a date nor a time", remedy)
    if moment.tzinfo is None:
        remedy = 'Write "2026-12-01T08:00:00+01:00", or "2026-12-01T08:00:00Z" for UTC.'
        raise SettingError("is a time without its zone", remedy)
    if not _EARLIEST <= moment < _LATEST:
        raise SettingError("is out of range", f'Write a time from "{_EARLIEST:%Y-%m-%d}" to "{_LATEST:%Y-%m-%d}".')
    return moment.astimezone(UTC)


def _parsed(value: Any) -> datetime | None:
    """Return the time that a value of the file means, without a zone if it has none; None if it means no time."""
    if isinstance(value, str):
        try:
            return _midnight(date.fromisoformat(value)) if len(value) <= _DAY else datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        return value
    return _midnight(value) if isinstance(value, date) else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


#: A start in UTC. Without a value, the error says which line to write.
Start = Annotated[datetime, BeforeValidator(_start), Field(default=None, validate_default=True)]
