"""Lengths of time as people write them: `500ms`, `10s`, `1h30m`, `30d`."""

from __future__ import annotations

import re
from typing import Final

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)\s*")


def parse_duration(text: str) -> float:
    """The seconds that `text` says, more than 0 and at most ten years; raises ValueError."""
    rest, seconds = text.strip().lower(), 0.0
    while found := _PART.match(rest):
        seconds += float(found[1]) * _SECONDS[found[2]]
        rest = rest[found.end() :]
    if rest or not 0 < seconds <= 3650 * _SECONDS["d"]:
        raise ValueError("not a length of time")
    return seconds


def say_duration(seconds: float) -> str:
    """Write `seconds` as the settings write it: `90s`, `1h`, `500ms`."""
    for unit in ("d", "h", "m"):
        if seconds >= _SECONDS[unit] and seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:g}{unit}"
    return f"{seconds:g}s" if seconds >= 1 else f"{seconds * 1000:g}ms"
