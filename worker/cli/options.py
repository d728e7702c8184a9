"""The parts that commands share: the runtime, common options, and the values of options."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from worker.cli.in_use import read_settings_in_use
from worker.cli.results import wrapped
from worker.durations import parse_duration
from worker.runtime import Runtime, read_settings
from worker.settings.needs import CALLS

if TYPE_CHECKING:
    from collections.abc import Collection

    from worker.settings.load import Settings


def open_runtime(settings: Settings | None = None, *, offline: bool = False, confirmed: bool = False) -> Runtime:
    """Return the runtime of this command; it is closed when the command ends. Read the settings if none are given.

    With `offline`, the command calls no account: it needs no secrets, and works with the settings of the processes that
    run, also while the file is being edited or a map cannot be read. With `confirmed`, it sends orders: raise
    ConfigError if the ledger is not that of the accounts in the settings, and warn if the file has changed since.
    """
    if settings is None:
        settings = read_settings_in_use() if offline else read_settings(needs=CALLS)
    ctx = click.get_current_context()
    if settings.file_problem and ctx.info_name != "status":  # which shows it at its top
        click.echo(
            f"warning: {settings.file}: {settings.file_problem}. The settings in use are read instead.", err=True
        )
    rt = ctx.with_resource(Runtime(settings, offline=offline))
    if confirmed:
        rt.installation.refuse()
        if settings.file_fingerprint not in {"", settings.fingerprint}:  # what waits for a setting would fail again
            warning = f"warning: the processes run with an older version of {settings.file}. First: intake reload"
            click.echo(warning, err=True)
    return rt


def require_name(name: str, what: str, names: Collection[str]) -> str:
    """Return `name` if it is one of `names`; otherwise raise UsageError, which lists them."""
    if name in names:
        return name
    raise click.UsageError(f"{name} is not a {what}. Choose from: {', '.join(names) or 'none'}")


def provider_of(rt: Runtime, name: str) -> str:
    """Return the provider that is, or was, called `name`, by its name in the ledger; raise UsageError for no such."""
    return require_name(rt.settings.ledger_provider(name), "provider", rt.settings.providers)


def target_of(rt: Runtime, name: str) -> str:
    """Return the target that is, or was, called `name`, as `provider_of` does."""
    return require_name(rt.settings.ledger_target(name), "target", rt.settings.targets)


def parse_age(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    """Parse a duration ("30m") into seconds."""
    try:
        return None if value is None else parse_duration(value)
    except ValueError:
        raise click.BadParameter(f"{value} is not a duration: write 30m, 2h, 7d") from None


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
            f"{value} is neither a date nor an age: write 2026-11-20, 2026-11-20T03:00 or 7d"
        ) from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def redis_time(rt: Runtime) -> datetime:
    """Return the current time by the clock of Redis, from which every age on the command line is counted."""
    return datetime.fromtimestamp(rt.cursors.now() / 1000, UTC)


def resolve_time(wish: datetime | timedelta, now: datetime) -> datetime:
    """Return the time that a parsed `--since` or `--until` means; `now` is the time of Redis."""
    return now - wish if isinstance(wish, timedelta) else wish


def resolve_since(wish: datetime | timedelta, now: datetime) -> datetime:
    """Return the same time as `resolve_time`; raise UsageError if it is in the future."""
    moment = resolve_time(wish, now)
    if moment > now:
        raise click.UsageError(f"{moment:%Y-%m-%d %H:%M} UTC is in the future; now is {now:%Y-%m-%d %H:%M} UTC")
    return moment


def json_option(command: Any) -> Any:
    """Add `--json` to a command."""
    return click.option("--json", "as_json", is_flag=True, help="Print as JSON.")(command)


def dry_run_option(command: Any) -> Any:
    """Add `--dry-run` to a command that changes something."""
    return click.option("--dry-run", is_flag=True, help="Show what would be done, and change nothing.")(command)


def confirmable(command: Any) -> Any:
    """Add `--dry-run` and `--yes` to a command that destroys or sends something."""
    return dry_run_option(click.option("--yes", is_flag=True, help="Do not ask for confirmation.")(command))


def confirm_or_abort(question: str, *, yes: bool) -> None:
    """Ask for confirmation unless `--yes` is given; abort the command if there is none."""
    if not yes:
        suffix = " [y/N]:"  # click's
        click.confirm(wrapped(question + suffix).removesuffix(suffix), abort=True, err=True)
