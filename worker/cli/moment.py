"""A moment as people write it on a command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from worker.durations import parse_duration


def moment(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | None:
    """A day or a time (UTC unless it says otherwise), or how long ago."""
    if value is None:
        return None
    try:
        return datetime.now(UTC) - timedelta(seconds=parse_duration(value))
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        reason = f"{value} is no time: write 2026-03-01, 2026-03-01T08:00+02:00, or how long ago (7d, 12h)"
        raise click.BadParameter(reason, ctx, param) from None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
