"""Durations as fields of the settings, in seconds."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from worker.durations import parse_duration
from worker.settings.tables import SettingError


def _duration(value: Any) -> float:
    try:
        return parse_duration(value)
    except (AttributeError, ValueError):
        raise SettingError(
            "is not a duration", 'Write a number with a unit: "500ms", "10s", "5m", "2h", "30d".'
        ) from None


def _duration_or_number(value: Any) -> Any:
    return _duration(value) if isinstance(value, str) else value


#: A duration with its unit: "10s".
Duration = Annotated[float, BeforeValidator(_duration)]
#: A duration with its unit, or a plain number of seconds.
Seconds = Annotated[float, BeforeValidator(_duration_or_number)]
