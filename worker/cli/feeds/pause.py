"""`intake pause` and `intake resume`: stop a provider or a target, and resume it."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

import click

from worker.cli.options import dry_run_option, open_runtime, parse_age, redis_time, require_name
from worker.cli.results import say
from worker.operations.acting import acting, recorded
from worker.operations.examples import examples

if TYPE_CHECKING:
    from worker.runtime import Runtime


def _account(name: str) -> tuple[Runtime, str | None, str | None]:
    """Return the runtime, and the provider and the target of this name, by their names in the ledger."""
    rt = open_runtime(offline=True)
    settings = rt.settings
    in_ledger = settings.ledger_provider(name), settings.ledger_target(name)
    provider = in_ledger[0] if in_ledger[0] in settings.providers else None
    target = in_ledger[1] if in_ledger[1] in settings.targets else None
    if not provider and not target:
        require_name(name, "provider or target", [*settings.providers, *settings.targets])
    return rt, provider, target


def _reasons(rt: Runtime, provider: str | None, target: str | None) -> list[str]:
    """Return why this account is paused; nothing if it is not."""
    statuses = (rt.cursors.status(provider) if provider else {}, rt.lanes[target].status() if target else {})
    return list(dict.fromkeys(str(status["paused"]) for status in statuses if "paused" in status))


def _seconds_until(text: str, now: datetime) -> float:
    """Return the seconds from `now` to a time, or to the next time of day like this; UTC unless the text has a zone."""
    try:
        at = datetime.combine(now.date(), time.fromisoformat(text), UTC)
        at += timedelta(days=at <= now)
    except ValueError:
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            reason = f"--until {text} is not a time: write 06:00 or 2026-03-01T08:00+02:00"
            raise click.ClickException(reason) from None
    seconds = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
    if seconds <= 0:
        raise click.ClickException(f"--until {text} is in the past")
    return seconds


@click.command(
    "pause",
    epilog=examples("intake pause warehouse --for 2h --reason stocktaking", "intake pause shop-nl --until 06:00"),
)
@click.argument("name")
@click.option("--for", "length", callback=parse_age, help="Resume automatically after this time: 2h, 30m.")
@click.option(
    "--until", help="Resume automatically at this time: 06:00, or 2026-03-01T08:00; UTC unless it has a zone."
)
@click.option("--reason", default="by hand", help="Reason that `intake status` shows.")
@dry_run_option
@acting
def pause(*, name: str, length: float | None, until: str | None, reason: str, dry_run: bool) -> None:
    """Pause a provider or a target.

    NAME is not polled, and nothing is sent to it, until it is resumed. A pause survives restarts.
    """
    if length is not None and until is not None:
        raise click.UsageError("use --for or --until, not both")
    rt, provider, target = _account(name)
    now = redis_time(rt)
    seconds = _seconds_until(until, now) if until else length
    end = "" if seconds is None else f" until {now + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S} UTC"
    replaced = "; ".join(_reasons(rt, provider, target))
    instead = f" instead of its pause ({replaced})" if replaced else ""
    if dry_run:
        say(f"{name} would be paused{end or ' until it is resumed'}{instead}. Nothing was changed.")
        return
    with recorded(rt, name, reason=reason, until=end.removeprefix(" until "), was=replaced):
        if provider:
            rt.cursors.pause(provider, reason, seconds)
        if target:
            rt.lanes[target].pause(reason, seconds)
    say(f"{name} is paused{end}{instead}. Next: intake resume {name}")


@click.command("resume", epilog=examples("intake resume warehouse"))
@click.argument("name")
@dry_run_option
@acting
def resume(*, name: str, dry_run: bool) -> None:
    """Resume a provider or a target.

    NAME is polled, or receives orders, at once.
    """
    rt, provider, target = _account(name)
    reasons = _reasons(rt, provider, target)
    if not reasons:
        click.echo(f"{name} is not paused: there is nothing to do.")
        return
    if dry_run:
        say(f"{name} is paused ({'; '.join(reasons)}) and would be resumed. Nothing was changed.")
        return
    with recorded(rt, name, was="; ".join(reasons)):
        if provider:
            rt.cursors.resume(provider)
        if target:
            rt.lanes[target].resume()
    click.echo(f"{name} is resumed.")
