"""What a command begins with: the runtime, and the account that is named."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from worker.durations import parse_duration
from worker.runtime import Runtime, read_settings

if TYPE_CHECKING:
    from collections.abc import Collection


def opened() -> Runtime:
    """The runtime of this command, closed when the command ends."""
    return click.get_current_context().with_resource(Runtime(read_settings()))


def known(name: str, what: str, names: Collection[str]) -> str:
    """`name`, if it is one of `names`; else a UsageError that lists them."""
    if name in names:
        return name
    listed = ", ".join(names) or "none"
    raise click.UsageError(f"{name} is not a {what}; known are: {listed}")


def parse_since(_: click.Context, __: click.Parameter, value: str | None) -> datetime | timedelta | None:
    """Parse `--since` or `--until`: a date or a time (UTC by default), or an age ("7d").

    An age stays an age: `resolve_time` counts it back from the clock of Redis, which a callback cannot read yet.
    """
    if value is None:
        return None
    try:
        return timedelta(seconds=parse_duration(value))
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(value if re.match(r"\d{4}-\d\d-\d\d", value) else "")
    except ValueError:
        raise click.BadParameter(
            f'{value} is neither a date nor an age: write 2026-11-20, 2026-11-20T03:00, or "7d"'
        ) from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def redis_time(rt: Runtime) -> datetime:
    """Return the current time by the clock of Redis, from which every age on the command line is counted."""
    return datetime.fromtimestamp(rt.cursors.now() / 1000, UTC)


def resolve_time(wish: datetime | timedelta, now: datetime) -> datetime:
    """Return the time that a parsed `--since` or `--until` means; `now` is the time of Redis."""
    return now - wish if isinstance(wish, timedelta) else wish


def resolve_since(wish: datetime | timedelta, now: datetime) -> datetime:
    """Like `resolve_time`, but raise UsageError for a time in the future."""
    moment = resolve_time(wish, now)
    if moment > now:
        raise click.UsageError(f"{moment:%Y-%m-%d %H:%M} UTC lies ahead; it is {now:%Y-%m-%d %H:%M} UTC")
    return moment


def rehearsable(command: Any) -> Any:
    """Give a command that changes something the option that all of them have."""
    return click.option("--dry-run", is_flag=True, help="Say what would be done, and touch nothing.")(command)


def careful(command: Any) -> Any:
    """Give a command that destroys or sends something its two options."""
    return rehearsable(click.option("--yes", is_flag=True, help="Do not ask.")(command))


def go_on(question: str, *, yes: bool) -> None:
    """Ask, unless `--yes`; no answer is a no."""
    if not yes:
        click.confirm(question, abort=True, err=True)
