"""`intake show KEY`: the whole history of an order."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console
from rich.table import Table

from worker.cli.options import json_option, open_runtime
from worker.cli.orders.history import delivery_as_json, next_steps, print_orders
from worker.cli.orders.left_out import left_out_as_json, print_left_out
from worker.cli.orders.lookup import keys_asked, keys_beginning, keys_of, not_found
from worker.cli.times import from_now, utc_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from worker.runtime import Runtime
    from worker.store.feeds.left_out import Remembered
    from worker.store.inbox import Letter
    from worker.store.orders.ledger import Entry

#: The dead jobs are searched for an id, if there are at most so many: see `intake inbox list`.
_MOST_LETTERS: Final = 500


@dataclass(frozen=True, slots=True)
class FoundOrder:
    """All that is known of one key; false if nothing is."""

    key: str
    #: What the key was found by: "the id at shop".
    found_by: str
    entries: list[Entry]
    #: Why its record could not be read.
    unreadable: dict[str, str] | None
    #: When it is to be fetched (Unix milliseconds), and how often it was not found.
    hint: tuple[int, int] | None
    #: Why no route creates it, for targets whose ledger does not know it.
    left_out: list[Remembered]

    def __bool__(self) -> bool:
        return bool(self.entries or self.unreadable or self.hint or self.left_out)


def _look_up(rt: Runtime, names: Mapping[str, str]) -> list[FoundOrder]:
    """Return what is known of these keys, each with the reason for it; a few round trips for all of them."""
    reasons: dict[tuple[str, str], str] = {}
    for name, found_by in names.items():
        provider, _, external_id = name.partition(":")
        reasons.setdefault((rt.settings.ledger_provider(provider), external_id), found_by)
    orders, keys = list(reasons), [":".join(order) for order in reasons]
    entries = rt.ledger.entries_of(_targets_of(rt, orders))
    facts = zip(rt.cursors.letters_of(orders), rt.fetches.find(orders), rt.left_outs.find_all(orders), strict=True)
    found: list[FoundOrder] = []
    for key, found_by, (unreadable, hint, remembered) in zip(keys, reasons.values(), facts, strict=True):
        known = {entry.target for entry in entries.get(key, ())}
        left_out = [each for each in remembered if each.target not in known]
        found.append(FoundOrder(key, found_by, entries.get(key, []), unreadable, hint, left_out))
    return [order for order in found if order]


def _targets_of(rt: Runtime, orders: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Return by target the keys of those orders (provider and external id) that it may have: by a route of any time."""
    pairs = dict.fromkeys(rt.settings.templates)
    pairs |= {(provider, target): None for target in rt.settings.absent_targets for provider, _ in orders}
    targets: dict[str, list[str]] = {}
    for provider, target in pairs:
        targets.setdefault(provider, []).append(target)
    keys: dict[str, list[str]] = {}
    for provider, external_id in orders:
        for target in targets.get(provider, ()):
            keys.setdefault(target, []).append(f"{provider}:{external_id}")
    return keys


def _dead_jobs(rt: Runtime, key: str) -> list[Letter]:
    """Return the dead jobs that contain this id."""
    if rt.inbox.status()["dead_now"] > _MOST_LETTERS:
        return []
    external_id = key.partition(":")[2] or key
    return [letter for letter in rt.inbox.letters().values() if f'"{external_id}"'.encode() in letter.raw]


def _print_unreadable(rt: Runtime, console: Console, provider: str) -> None:
    table = Table("external id", "field", "reason", "at (UTC)", title=f"Records of {provider} that could not be read")
    for external_id, record in rt.cursors.letters(provider).items():
        table.add_row(external_id, record["field"], record["reason"], utc_text(int(record["at"]), precise=True))
    console.print(table)


def _as_json(rt: Runtime, order: FoundOrder) -> dict[str, Any]:
    steps = next_steps(rt, order.key, order.entries)
    deliveries = [
        delivery_as_json(entry) | {"due": entry.due, "next": step}
        for entry, step in zip(order.entries, steps, strict=True)
    ]
    found = {"key": order.key, "found_by": order.found_by, "deliveries": deliveries}
    provider = order.key.partition(":")[0]
    left_out = [left_out_as_json(rt, provider, each) for each in order.left_out]
    return found | {"letter": order.unreadable, "hint": order.hint, "left_out": left_out}


def _print_found(rt: Runtime, console: Console, order: FoundOrder) -> None:
    print_orders(rt, console, order.key, order.entries)
    for found in order.left_out:
        print_left_out(rt, console, order.key, found)
    if order.hint is not None:
        at, tries = order.hint
        often = f"; it was not there {tries} times" if tries else ""
        console.print(f"[bold]{order.key}[/] is fetched {from_now(at, rt.cursors.now())}: somebody gave a hint{often}")
    if (record := order.unreadable) is not None:
        at_text = utc_text(int(record["at"]), precise=True)
        console.print(f"[bold]{order.key}[/] could not be read at {at_text} UTC:")
        console.print(f"  {record['field']}: {record['reason']}", highlight=False, markup=False)
        console.print(record["raw"], highlight=False, markup=False)
        console.print(f"  next: once that is mended: intake dead replay {order.key}", highlight=False, markup=False)


def _print_choice(console: Console, name: str, orders: list[FoundOrder]) -> None:
    console.print(f"{len(orders)} orders go by {name}:")
    table = Table("order", "found by", "where it is", box=None, padding=(0, 2))
    for order in orders:
        states = [f"{entry.target}: {entry.record['state'].replace('_', ' ')}" for entry in order.entries]
        states += [f"{found.target}: left out ({found.rule})" for found in order.left_out]
        states += ["could not be read"] if order.unreadable else []
        states += ["is to be fetched"] if order.hint else []
        table.add_row(order.key, order.found_by, ", ".join(states))
    console.print(table)
    console.print(f"See one: intake show {orders[0].key}")


@click.command("show")
@click.argument("key")
@click.option("--ask", is_flag=True, help="Ask the targets too, whether it is an id of theirs: one call to each.")
@json_option
def command(key: str, *, ask: bool, as_json: bool) -> None:
    """Show an order: what happened, and what happens next.

    KEY is its key (`provider:external_id`), its id or number at the provider, the beginning of its number, or the
    reference a target knows it by. The name of a provider shows the records of it that could not be read.
    """
    rt, console = open_runtime(offline=not ask), Console(highlight=False)
    if key in rt.settings.providers and not as_json:
        _print_unreadable(rt, console, key)
        return
    orders = _look_up(rt, keys_of(rt, key))
    if not orders:
        orders = _look_up(rt, keys_beginning(rt, key))
    if ask and not orders:
        orders = _look_up(rt, dict(keys_asked(rt, key)))
    jobs = _dead_jobs(rt, key)
    if as_json:
        found = _as_json(rt, orders[0]) if len(orders) == 1 else {"matches": [_as_json(rt, order) for order in orders]}
        click.echo(json.dumps({**found, "jobs": [job.id for job in jobs]}, indent=2))
        if not orders and not jobs:
            raise SystemExit(1)
    elif not orders and not jobs:
        raise click.ClickException(not_found(rt, key, asked=ask))
    elif len(orders) > 1:
        _print_choice(console, key, orders)
    elif orders:
        _print_found(rt, console, orders[0])
    for job in () if as_json else jobs:
        console.print(f"A job that speaks of it could not be taken in ({job.code}: {job.reason}): ", end="")
        console.print(f"intake inbox show {job.id}")
