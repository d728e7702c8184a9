"""`intake show KEY`: the whole history of an order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console
from rich.table import Table

from worker.cli.options import json_option, open_runtime
from worker.cli.orders.history import delivery_as_json, print_orders
from worker.cli.orders.left_out import left_out_as_json, print_left_out
from worker.operations.lookup import keys_asked, keys_beginning, keys_of, look_up, not_found
from worker.operations.next_steps import next_steps
from worker.operations.times import from_now, utc_text

if TYPE_CHECKING:
    from worker.operations.lookup import FoundOrder
    from worker.runtime import Runtime
    from worker.store.inbox import Letter

#: The dead jobs are searched for an id, if there are at most so many: see `intake inbox list`.
_MOST_LETTERS: Final = 500


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
        delivery_as_json(entry) | {"due": entry.due, "next": str(step)}
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
    orders = look_up(rt, keys_of(rt, key))
    if not orders:
        orders = look_up(rt, keys_beginning(rt, key))
    if ask and not orders:
        orders = look_up(rt, dict(keys_asked(rt, key)))
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
