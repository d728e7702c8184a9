"""`intake show KEY`: one order's whole story."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console
from rich.table import Table

from worker.cli.options import opened
from worker.cli.orders.lookup import keys_of, keys_there, searched
from worker.cli.orders.story import next_step, tell_order, time_of
from worker.cli.times import from_now

if TYPE_CHECKING:
    from worker.runtime import Runtime
    from worker.store.inbox import Letter
    from worker.store.orders.ledger import Entry

#: Jobs that could not be taken in, and are looked through for an id; of more, `intake inbox list` tells.
_MOST_LETTERS: Final = 500


@dataclass(frozen=True, slots=True)
class Found:
    """All that is known under one key; empty if nothing is."""

    key: str
    how: str
    entries: list[Entry]
    letter: dict[str, str] | None
    #: When it is to be fetched (Unix milliseconds), and how often it was not there.
    hint: tuple[int, int] | None

    def __bool__(self) -> bool:
        return bool(self.entries or self.letter or self.hint)


def _look(rt: Runtime, key: str, how: str) -> Found:
    provider, _, external_id = key.partition(":")
    letter = rt.cursors.letter(provider, external_id)
    hint = rt.fetches.find(provider, external_id)
    return Found(key, how, rt.ledger.entries(list(rt.settings.targets), key), letter, hint)


def _jobs(rt: Runtime, said: str) -> list[Letter]:
    """The jobs that could not be taken in and speak of this id."""
    if rt.inbox.status()["dead_now"] > _MOST_LETTERS:
        return []
    external_id = said.partition(":")[2] or said
    return [letter for letter in rt.inbox.letters().values() if f'"{external_id}"'.encode() in letter.raw]


def _letters(rt: Runtime, console: Console, provider: str) -> None:
    table = Table("external id", "field", "reason", "at (UTC)", title=f"Records of {provider} that could not be read")
    for external_id, letter in rt.cursors.letters(provider).items():
        table.add_row(external_id, letter["field"], letter["reason"], time_of(int(letter["at"])))
    console.print(table)


def _as_json(rt: Runtime, found: Found) -> dict[str, Any]:
    told = [
        {
            "target": it.target,
            "record": it.record,
            "story": it.history,
            "due": it.due,
            "next": next_step(rt, found.key, it),
        }
        for it in found.entries
    ]
    return {"key": found.key, "found_by": found.how, "deliveries": told, "letter": found.letter, "hint": found.hint}


def _tell(rt: Runtime, console: Console, found: Found) -> None:
    for entry in found.entries:
        tell_order(rt, console, found.key, entry)
    if found.hint is not None:
        at, tries = found.hint
        often = f"; it was not there {tries} times" if tries else ""
        console.print(f"[bold]{found.key}[/] is fetched {from_now(at, rt.cursors.now())}: somebody gave a hint{often}")
    if found.letter is not None:
        letter = found.letter
        console.print(f"[bold]{found.key}[/] could not be read at {time_of(int(letter['at']))} UTC:")
        console.print(f"  {letter['field']}: {letter['reason']}", highlight=False, markup=False)
        console.print(letter["raw"], highlight=False, markup=False)
        console.print(f"  next: once that is mended: intake dead replay {found.key}", highlight=False, markup=False)


def _list(console: Console, said: str, found: list[Found]) -> None:
    """Several orders are meant: a person chooses."""
    console.print(f"{len(found)} orders go by {said}:")
    table = Table("order", "found by", "where it is", box=None, padding=(0, 2))
    for one in found:
        states = [f"{it.target}: {it.record['state'].replace('_', ' ')}" for it in one.entries]
        states += ["could not be read"] if one.letter else []
        states += ["is to be fetched"] if one.hint else []
        table.add_row(one.key, one.how, ", ".join(states))
    console.print(table)
    console.print(f"See one: intake show {found[0].key}")


@click.command("show")
@click.argument("key")
@click.option("--ask", is_flag=True, help="Ask the targets too, whether it is an id of theirs: one call to each.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(key: str, *, ask: bool, as_json: bool) -> None:
    """Show an order: what happened, and what happens next.

    KEY is its key (`provider:external_id`), its id at the provider, or the reference a target knows it by. The name of
    a provider shows the records of it that could not be read.
    """
    rt, console = opened(), Console(highlight=False)
    if key in rt.settings.providers and not as_json:
        _letters(rt, console, key)
        return
    found = [one for name, how in keys_of(rt, key).items() if (one := _look(rt, name, how))]
    if ask and not found:
        found = [one for name, how in keys_there(rt, key) if (one := _look(rt, name, how))]
    jobs = _jobs(rt, key)
    if as_json:
        told = _as_json(rt, found[0]) if len(found) == 1 else {"matches": [_as_json(rt, one) for one in found]}
        click.echo(json.dumps({**told, "jobs": [it.id for it in jobs]}, indent=2))
        if not found and not jobs:
            raise SystemExit(1)
    elif not found and not jobs:
        raise click.ClickException(searched(rt, key, asked=ask))
    elif len(found) > 1:
        _list(console, key, found)
    elif found:
        _tell(rt, console, found[0])
    for letter in () if as_json else jobs:
        console.print(f"A job that speaks of it could not be taken in ({letter.code}: {letter.reason}): ", end="")
        console.print(f"intake inbox show {letter.id}")
