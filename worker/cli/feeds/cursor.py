"""`intake cursor`: how far a provider has been read, and moving that by hand."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from worker.cli.feeds.cursor_words import lines, moment
from worker.cli.options import careful, go_on, known, opened, parse_since, redis_time, resolve_since
from worker.cli.times import age, ago, clock

if TYPE_CHECKING:
    from worker.runtime import Runtime


@click.group("cursor")
def command() -> None:
    """Show how far a provider has been read; move that, and put it back."""


def _status(rt: Runtime, name: str) -> dict[str, str]:
    known(name, "provider", rt.settings.providers)
    return rt.cursors.status(name)


@command.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def show(name: str, *, as_json: bool) -> None:
    """Show the cursor of provider NAME in words, with its age and its former values."""
    rt = opened()
    now, status, former = redis_time(rt), _status(rt, name), rt.cursors.former_values(name)
    value, until = status.get("value"), moment(status.get("value"))
    if as_json:
        told: dict[str, Any] = {"provider": name, "cursor": value, "read_up_to": until and until.isoformat()}
        told |= {"moved": int(status["moved"]) if "moved" in status else None, "records": int(status.get("records", 0))}
        told["former"] = [{"at": at, "cursor": was} for at, was in former]
        click.echo(json.dumps(told, indent=2))
        return
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_row("provider", f"{name} ({rt.settings.providers[name].kind})")
    for word, said in lines(value, now):
        table.add_row(word, escape(said))
    for word, key in (("moved", "moved"), ("last whole walk", "finished"), ("last start", "started")):
        at = int(status[key]) if key in status else None
        table.add_row(word, "never" if at is None else f"{clock(at)} UTC ({ago(now.timestamp() - at / 1000)})")
    table.add_row("records read so far", status.get("records", "0"))
    for word, key in (("paused", "paused"), ("last error", "error")):
        if key in status:
            table.add_row(word, escape(status[key]))
    table.add_row("as it is kept", escape(value or "-"))
    for at, was in former:
        table.add_row(f"before {clock(at)} UTC", escape(was or "none"))
    Console(highlight=False).print(table)
    if former:
        click.echo(f"Put the last one back: intake cursor undo {name} --dry-run")


@command.command("set")
@click.argument("name")
@click.option(
    "--since", "wish", required=True, callback=parse_since, metavar="DATE", help="A date (UTC), or an age: 7d."
)
@careful
def put(name: str, wish: datetime | timedelta, *, dry_run: bool, yes: bool) -> None:
    """Read provider NAME again from DATE on. Orders that are known already are not sent twice."""
    rt = opened()
    status, now = _status(rt, name), redis_time(rt)
    at = resolve_since(wish, now)
    _move(rt, name, status.get("value", ""), rt.providers[name].start(at), (at, now), dry_run=dry_run, yes=yes)


@command.command("undo")
@click.argument("name")
@careful
def undo(name: str, *, dry_run: bool, yes: bool) -> None:
    """Put the cursor of provider NAME back to what it was before it was last moved by hand."""
    rt = opened()
    status, now, former = _status(rt, name), redis_time(rt), rt.cursors.former_values(name)
    if not former:
        raise click.ClickException(f"the cursor of {name} was never moved by hand: there is nothing to put back")
    _, value = former[0]
    at = moment(value) or now - timedelta(seconds=rt.settings.providers[name].look_back)
    _move(rt, name, status.get("value", ""), value, (at, now), dry_run=dry_run, yes=yes, back=True)


def _move(  # noqa: PLR0913  # what was seen, what is to be, and how sure
    rt: Runtime,
    name: str,
    seen: str,
    value: str,
    times: tuple[datetime, datetime],
    *,
    dry_run: bool,
    yes: bool,
    back: bool = False,
) -> None:
    at, now = times
    click.echo(_what(name, moment(seen), at, now))
    if seen == value:
        click.echo("There is nothing to do.")
        return
    if dry_run:
        see = f" The requests that would be sent: intake poll {name} --dry-run --since {at:%Y-%m-%dT%H:%M}"
        click.echo("Nothing was touched." + (see if at < now and value else ""))
        return
    go_on(f"Move the cursor of {name}?", yes=yes)
    moved = rt.cursors.undo(name, seen, value) if back else rt.cursors.place(name, seen, value)
    if not moved:
        raise click.ClickException(f"the cursor of {name} moved meanwhile, and was left as it is: try again")
    click.echo("Moved. It is polled with the next sweep." + ("" if back else f" Back: intake cursor undo {name}"))


def _what(name: str, was: datetime | None, at: datetime, now: datetime) -> str:
    """What moving the cursor means."""
    to = f"{at:%Y-%m-%d %H:%M:%S} UTC ({ago((now - at).total_seconds())})"
    if was is None:
        return f"{name}: everything that changed since {to} would be read."
    if at < was:
        span = age((was - at).total_seconds())
        return f"{name}: what changed in the {span} from {to} to {was:%Y-%m-%d %H:%M:%S} UTC would be read again."
    if at > was:
        span = age((at - was).total_seconds())
        return (
            f"{name}: what changed in the {span} from {was:%Y-%m-%d %H:%M:%S} UTC to {to} would NOT be read by polls"
            f" any more. Nothing is lost that was read before."
        )
    return f"{name}: the cursor stays at {to}."
