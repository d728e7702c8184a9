"""Durations and counts as people read and write them: `500ms`, `1h30m`, `30d`; `1 order`."""

from __future__ import annotations

import re
from typing import Final

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)\s*")


def parse_duration(text: str) -> float:
    """Return `text` in seconds, more than 0 and at most ten years; raise ValueError if it is not a duration."""
    rest, seconds = text.strip().lower(), 0.0
    while part := _PART.match(rest):
        seconds += float(part[1]) * _SECONDS[part[2]]
        rest = rest[part.end() :]
    if rest or not 0 < seconds <= 3650 * _SECONDS["d"]:
        raise ValueError("not a length of time")
    return seconds


def format_duration(seconds: float) -> str:
    """Return `seconds` exactly, as the settings write it: `90s`, `1h`, `500ms`."""
    for unit in ("d", "h", "m"):
        if seconds >= _SECONDS[unit] and seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:g}{unit}"
    return f"{seconds:g}s" if seconds >= 1 else f"{seconds * 1000:g}ms"


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun: "1 order", "2,000 orders"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def round_duration(seconds: float) -> str:
    """Return `seconds` rounded to one unit, as a person says it: `40 s`, `12 min`, `3 h`, `9 d`."""
    for unit, size in (("d", _SECONDS["d"]), ("h", _SECONDS["h"]), ("min", _SECONDS["m"])):
        if seconds >= size * 2:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
