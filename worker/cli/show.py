"""`intake show KEY`: one order's whole story."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from worker.runtime import Runtime, read_settings

if TYPE_CHECKING:
    from worker.store.ledger import Entry

#: What comes next, by state.
NEXT = {
    "queued": "it is sent when its time comes",
    "claimed": "a worker has it now",
    "delivered": "nothing: it is done",
    "in_doubt": "the target is asked now and then; or a person looks whether it is there: see `intake doubt`",
    "held": "it waits for a person: see `intake release`",
    "dead": "nothing, until it changes at the source, or a person decides: see `intake dead`",
    "discarded": "nothing, until it changes at the source",
}


def _time(millis: int) -> str:
    return datetime.fromtimestamp(millis / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _letters(rt: Runtime, console: Console, provider: str) -> None:
    table = Table("external id", "field", "reason", "at (UTC)", title=f"Records of {provider} that could not be read")
    for external_id, letter in rt.cursors.letters(provider).items():
        table.add_row(external_id, letter["field"], letter["reason"], _time(int(letter["at"])))
    console.print(table)


def tell_order(console: Console, key: str, entry: Entry) -> None:
    """Print the story of one order for one target, and what comes next."""
    record = entry.record
    console.print(f"[bold]{key}[/] → [bold]{entry.target}[/]  {record['state']}  (reference {record['reference']})")
    table = Table("at (UTC)", "what happened", box=None, padding=(0, 2))
    for at, event in entry.story:
        table.add_row(_time(at), escape(event))
    if entry.story:
        console.print(table)
    elif "done" in record:
        console.print(f"  delivered {_time(int(record['done']))} UTC; its story is no longer kept", highlight=False)
    for name in ("target_id", "code", "detail", "fields"):
        if name in record:
            console.print(f"  {name}: {record[name]}", highlight=False, markup=False)
    when = f" (due {_time(entry.due)} UTC)" if entry.due is not None else ""
    tries = f", {record['tries']} tries so far" if "tries" in record else ""
    console.print(f"  next: {NEXT.get(record['state'], '?')}{when}{tries}", highlight=False)


@click.command("show")
@click.argument("key")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(key: str, *, as_json: bool) -> None:
    """Show the story of order KEY (`provider:external_id`), or the unreadable records of a provider."""
    rt = click.get_current_context().with_resource(Runtime(read_settings()))
    console = Console()
    provider, _, external_id = key.partition(":")
    entries = rt.ledger.entries(list(rt.settings.targets), key)
    letter = rt.cursors.letters(provider).get(external_id) if external_id else None
    if as_json:
        told: list[dict[str, Any]] = [{"target": e.target, "record": e.record, "story": e.story} for e in entries]
        click.echo(json.dumps({"deliveries": told, "letter": letter}, indent=2))
        return
    if not external_id and provider in rt.settings.providers:
        _letters(rt, console, provider)
        return
    if not entries and letter is None:
        known = ", ".join(rt.settings.providers)
        raise click.ClickException(f"no order {key} is known here; a key is provider:external_id, providers: {known}")
    for entry in entries:
        tell_order(console, key, entry)
    if letter is not None:
        console.print(f"[bold]{key}[/] could not be read: {letter['field']}: {letter['reason']}")
        console.print(letter["raw"], highlight=False, markup=False)
