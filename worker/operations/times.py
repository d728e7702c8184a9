"""Ages and times as a person reads them."""

from __future__ import annotations

from datetime import UTC, datetime

from worker.durations import round_duration


def age(seconds: float | None) -> str:
    """Return a duration in one unit: `40 s`, `12 min`, `3 h`, `9 d`; "-" for None."""
    return "-" if seconds is None else round_duration(seconds)


def ago(seconds: float | None) -> str:
    """Return how long ago something was: `12 min ago`; `in 4 min` for a negative number, `never` for None."""
    if seconds is None:
        return "never"
    return f"in {age(-seconds)}" if seconds < 0 else f"{age(seconds)} ago"


def utc_text(millis: float, *, precise: bool = False) -> str:
    """Return a time (Unix milliseconds) in UTC: `2026-11-21 03:12:10`; with milliseconds if `precise`."""
    text = datetime.fromtimestamp(millis / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return text[:-3] if precise else text[:-7]


def from_now(millis: float, now: float) -> str:
    """Return a time to come (both in Unix milliseconds): `at 03:12:10 UTC (in 4 min)`; with its date if far away."""
    text = utc_text(millis) if abs(millis - now) > 12 * 3_600_000 else utc_text(millis)[11:]
    return f"at {text} UTC ({'due now' if millis <= now else ago((now - millis) / 1000)})"
