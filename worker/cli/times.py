"""Ages and moments as a person reads them."""

from __future__ import annotations

from datetime import UTC, datetime

from worker.durations import round_duration


def age(seconds: float | None) -> str:
    """How long that is, in one unit: `40 s`, `12 min`, `3 h`, `9 d`; "-" for nothing."""
    return "-" if seconds is None else round_duration(seconds)


def ago(seconds: float | None) -> str:
    """When that was, counted from now: `12 min ago`, `in 4 min`, or `never`."""
    if seconds is None:
        return "never"
    return f"in {age(-seconds)}" if seconds < 0 else f"{age(seconds)} ago"


def clock(millis: float) -> str:
    """A moment (Unix milliseconds) in UTC, to the second: `2026-11-21 03:12:10`."""
    return datetime.fromtimestamp(millis / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def from_now(millis: float, now: float) -> str:
    """A moment that comes, both in Unix milliseconds: `at 03:12:10 UTC (in 4 min)`, with its day if that is another."""
    said = clock(millis) if abs(millis - now) > 12 * 3_600_000 else clock(millis)[11:]
    return f"at {said} UTC ({'due now' if millis <= now else ago((now - millis) / 1000)})"
