"""`intake pause` and `intake resume`: stop a provider or a target, and let it go on."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

import click

from worker.cli.options import opened, redis_time, rehearsable
from worker.durations import parse_duration

if TYPE_CHECKING:
    from worker.runtime import Runtime


def _parts(name: str) -> tuple[Runtime, bool, bool]:
    rt = opened()
    is_provider, is_target = name in rt.settings.providers, name in rt.settings.targets
    if not is_provider and not is_target:
        known = ", ".join([*rt.settings.providers, *rt.settings.targets])
        raise click.ClickException(f"{name} is neither a provider nor a target; known are: {known}")
    return rt, is_provider, is_target


def _length(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    try:
        return None if value is None else parse_duration(value)
    except ValueError:
        raise click.BadParameter(f"{value} is no length of time: write 2h, 30m, 1d", ctx, param) from None


def _seconds_until(text: str, now: datetime) -> float:
    """Seconds from now to a time, or to the next time that a clock shows this; UTC, unless it says otherwise."""
    try:
        at = datetime.combine(now.date(), time.fromisoformat(text), UTC)
        at += timedelta(days=at <= now)
    except ValueError:
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            reason = f"--until {text} is no time: write 06:00, or 2026-03-01T08:00+02:00"
            raise click.ClickException(reason) from None
    seconds = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
    if seconds <= 0:
        raise click.ClickException(f"--until {text} is over")
    return seconds


@click.command("pause")
@click.argument("name")
@click.option("--for", "length", callback=_length, help="Go on by itself after this: 2h, 30m.")
@click.option("--until", help="Go on by itself then: 06:00, or 2026-03-01T08:00; UTC, unless it says otherwise.")
@click.option("--reason", default="by hand", help="Shown in `intake status`.")
@rehearsable
def pause(*, name: str, length: float | None, until: str | None, reason: str, dry_run: bool) -> None:
    """Poll NAME no more, send NAME nothing, until resumed or until the time named; kept over restarts."""
    if length is not None and until is not None:
        raise click.UsageError("--for and --until: name one")
    rt, is_provider, is_target = _parts(name)
    now = redis_time(rt)
    seconds = _seconds_until(until, now) if until else length
    end = "" if seconds is None else f" until {now + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S} UTC"
    if dry_run:
        click.echo(f"{name} would be paused{end or ' until somebody resumes it'}. Nothing was touched.")
        return
    if is_provider:
        rt.cursors.pause(name, reason, seconds)
    if is_target:
        rt.lanes[name].pause(reason, seconds)
    click.echo(f"{name} is paused{end}. Go on {'sooner ' if end else ''}with: intake resume {name}")


@click.command("resume")
@click.argument("name")
@rehearsable
def resume(*, name: str, dry_run: bool) -> None:
    """Let NAME go on."""
    rt, is_provider, is_target = _parts(name)
    reasons = dict.fromkeys(
        str(known["paused"])
        for known in (rt.cursors.status(name) if is_provider else {}, rt.lanes[name].status() if is_target else {})
        if "paused" in known
    )
    if not reasons:
        click.echo(f"{name} is not paused: there is nothing to do.")
        return
    if dry_run:
        click.echo(f"{name} is paused ({'; '.join(reasons)}), and would go on. Nothing was touched.")
        return
    if is_provider:
        rt.cursors.resume(name)
    if is_target:
        rt.lanes[name].resume()
    click.echo(f"{name} goes on.")
