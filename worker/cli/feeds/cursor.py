"""`intake cursor`: show how far a provider has been read, and move its cursor by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from worker.cli.display import Table
from worker.cli.options import (
    confirm_or_abort,
    confirmable,
    json_option,
    open_runtime,
    parse_since,
    provider_of,
    redis_time,
    resolve_since,
)
from worker.cli.results import console, say
from worker.operations.acting import acting, recorded
from worker.operations.cursor_moves import carry_out, plan_move, plan_undo
from worker.operations.cursor_words import cursor_time, describe_cursor
from worker.operations.examples import examples
from worker.operations.times import ago, utc_text

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from worker.operations.cursor_moves import CursorMove
    from worker.runtime import Runtime


@click.group("cursor", epilog=examples("intake cursor show shop-nl"))
def command() -> None:
    """Show or move the cursor of a provider."""


@command.command("show", epilog=examples("intake cursor show shop-nl"))
@click.argument("name")
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show how far a provider has been read.

    The output describes the cursor of provider NAME, with its age and its former values.
    """
    rt = open_runtime(offline=True)
    name = provider_of(rt, name)
    now, status, former = redis_time(rt), rt.cursors.status(name), rt.cursors.former_values(name)
    value, until = status.get("value"), cursor_time(status.get("value"))
    if as_json:
        result: dict[str, Any] = {
            "provider": name,
            "cursor": value,
            "read_up_to": until and until.isoformat(),
            "moved": int(status["moved"]) if "moved" in status else None,
            "records": int(status.get("records", 0)),
            "former": [{"at": at, "cursor": cursor} for at, cursor in former],
        }
        click.echo(json.dumps(result, indent=2))
        return
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_row("provider", f"{name} ({rt.settings.providers[name].kind})")
    for label, text in describe_cursor(value, now):
        table.add_row(label, text)
    for label, key in (("moved", "moved"), ("last complete walk", "finished"), ("last start", "started")):
        at = int(status[key]) if key in status else None
        table.add_row(label, "never" if at is None else f"{utc_text(at)} UTC ({ago(now.timestamp() - at / 1000)})")
    table.add_row("records read so far", status.get("records", "0"))
    for label, key in (("paused", "paused"), ("last error", "error")):
        if key in status:
            table.add_row(label, status[key])
    table.add_row("raw value", value or "-")
    for at, cursor in former:
        table.add_row(f"before {utc_text(at)} UTC", cursor or "none")
    console().print(table)
    if former:
        say(f"Next, to restore the former value: intake cursor undo {name} --dry-run")


@command.command("set", epilog=examples("intake cursor set shop-nl --since 2h --dry-run"))
@click.argument("name")
@click.option("--since", "wish", required=True, callback=parse_since, metavar="DATE", help="Date (UTC), or an age: 7d.")
@confirmable
@acting
def put(name: str, wish: datetime | timedelta, *, dry_run: bool, yes: bool) -> None:
    """Read a provider again from a date.

    Known orders of provider NAME are not sent again.
    """
    rt = open_runtime(confirmed=True)
    name = provider_of(rt, name)
    now = redis_time(rt)
    _move(rt, plan_move(rt, name, resolve_since(wish, now), now), dry_run=dry_run, yes=yes)


@command.command("undo", epilog=examples("intake cursor undo shop-nl --dry-run"))
@click.argument("name")
@confirmable
@acting
def undo(name: str, *, dry_run: bool, yes: bool) -> None:
    """Undo the last `intake cursor set`.

    The cursor of provider NAME returns to its former value.
    """
    rt = open_runtime(confirmed=True)
    name = provider_of(rt, name)
    move = plan_undo(rt, name, redis_time(rt))
    if move is None:
        raise click.ClickException(f"the cursor of {name} was never moved by hand: there is nothing to undo")
    _move(rt, move, dry_run=dry_run, yes=yes)


def _move(rt: Runtime, move: CursorMove, *, dry_run: bool, yes: bool) -> None:
    name, at = move.provider, move.at
    say(move.consequence)
    if not move.changes:
        click.echo("There is nothing to do.")
        return
    if dry_run:
        see = f" Preview the requests: intake poll {name} --dry-run --since {at:%Y-%m-%dT%H:%M}"
        say("Nothing was changed." + (see if at < move.now and move.value else ""))
        return
    confirm_or_abort(f"Move the cursor of {name}?", yes=yes)
    with recorded(rt, name, to=move.given["to"], was=move.given.get("was")):
        if not carry_out(rt, move):
            raise click.ClickException(
                f"the cursor of {name} moved meanwhile and was not changed. Next: run the command again"
            )
    say("Moved. The next sweep polls the provider." + ("" if move.back else f" Undo: intake cursor undo {name}"))
