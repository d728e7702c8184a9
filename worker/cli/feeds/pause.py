"""`intake pause` and `intake resume`: stop a provider or a target, and resume it."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

import click

from worker.cli.options import dry_run_option, open_runtime, parse_age, redis_time, require_name

if TYPE_CHECKING:
    from worker.runtime import Runtime


def _account(name: str) -> tuple[Runtime, bool, bool]:
    """Return the runtime, and whether `name` is a provider and whether it is a target; it may be both."""
    rt = open_runtime(broken_maps_pass=True)
    require_name(name, "provider or target", [*rt.settings.providers, *rt.settings.targets])
    return rt, name in rt.settings.providers, name in rt.settings.targets


def _seconds_until(text: str, now: datetime) -> float:
    """Return the seconds from `now` to a time, or to the next time of day like this; UTC unless the text has a zone."""
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
@click.option("--for", "length", callback=parse_age, help="Go on by itself after this: 2h, 30m.")
@click.option("--until", help="Go on by itself then: 06:00, or 2026-03-01T08:00; UTC, unless it says otherwise.")
@click.option("--reason", default="by hand", help="Shown in `intake status`.")
@dry_run_option
def pause(*, name: str, length: float | None, until: str | None, reason: str, dry_run: bool) -> None:
    """Stop polling NAME and sending to NAME, until it is resumed or for a time; also after a restart."""
    if length is not None and until is not None:
        raise click.UsageError("--for and --until: name one")
    rt, is_provider, is_target = _account(name)
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
@dry_run_option
def resume(*, name: str, dry_run: bool) -> None:
    """Resume NAME."""
    rt, is_provider, is_target = _account(name)
    reasons = dict.fromkeys(
        str(status["paused"])
        for status in (rt.cursors.status(name) if is_provider else {}, rt.lanes[name].status() if is_target else {})
        if "paused" in status
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
