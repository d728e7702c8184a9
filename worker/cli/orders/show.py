"""`intake show KEY`: the whole history of an order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click

from worker.cli.display import Table, line
from worker.cli.options import json_option, open_runtime
from worker.cli.orders.history import corrections_of, delivery_as_json, print_orders
from worker.cli.orders.left_out import left_out_as_json, print_left_out
from worker.cli.results import console, print_rows, say
from worker.durations import count_of
from worker.operations.examples import examples
from worker.operations.lookup import find_orders, not_found
from worker.operations.next_steps import next_steps
from worker.operations.times import from_now, utc_text

if TYPE_CHECKING:
    from worker.cli.display import Display
    from worker.operations.lookup import FoundOrder
    from worker.runtime import Runtime
    from worker.store.letters import Letter

#: The dead jobs are searched for an id, if there are at most so many: see `intake inbox list`.
_MOST_LETTERS: Final = 500


def _dead_jobs(rt: Runtime, key: str) -> list[Letter]:
    """Return the dead jobs that contain this id."""
    if rt.inbox.status()["dead_now"] > _MOST_LETTERS:
        return []
    external_id = key.partition(":")[2] or key
    return [letter for letter in rt.inbox.letters().values() if f'"{external_id}"'.encode() in letter.raw]


def _print_unreadable(rt: Runtime, provider: str) -> None:
    rows = [
        {
            "id": external_id,
            "at": utc_text(int(record["at"])),
            "reason": ": ".join(filter(None, (record["field"], record["reason"]))),
        }
        for external_id, record in rt.cursors.letters(provider).items()
    ]
    print_rows(f"Unreadable records of {provider}", {"external id": "id", "at (UTC)": "at"}, rows, "reason")


def _as_json(rt: Runtime, order: FoundOrder) -> dict[str, Any]:
    steps = next_steps(rt, order.key, order.entries)
    deliveries = [
        delivery_as_json(entry)
        | {"due": entry.due, "next": str(step), "corrections": corrections_of(rt, order.key, entry)}
        for entry, step in zip(order.entries, steps, strict=True)
    ]
    found = {"key": order.key, "found_by": order.found_by, "deliveries": deliveries}
    provider = order.key.partition(":")[0]
    left_out = [left_out_as_json(rt, provider, each) for each in order.left_out]
    return found | {"letter": order.unreadable, "hint": order.hint, "left_out": left_out}


def _print_found(rt: Runtime, out: Display, order: FoundOrder) -> None:
    print_orders(rt, out, order.key, order.entries)
    for found in order.left_out:
        print_left_out(rt, out, order.key, found)
    if order.hint is not None:
        at, tries = order.hint
        often = f"; not found so far: {count_of(tries, 'time')}" if tries else ""
        due = from_now(at, rt.cursors.now())
        out.print(line((order.key, "bold"), f" is fetched {due}, after a hint{often}"))
    if (record := order.unreadable) is not None:
        at_text = utc_text(int(record["at"]), precise=True)
        out.print(line((order.key, "bold"), f" could not be read at {at_text} UTC:"))
        out.print(line(f"  {record['field']}: {record['reason']}"))
        out.print(record["raw"])
        out.print(line(f"  next: fix the cause, then: intake dead replay {order.key}"))


def _print_choice(out: Display, name: str, orders: list[FoundOrder]) -> None:
    say(f"{len(orders)} orders match {name}:")
    table = Table("order", "found by", "state", box=None, padding=(0, 2))
    for order in orders:
        states = [f"{entry.target}: {entry.record['state'].replace('_', ' ')}" for entry in order.entries]
        states += [f"{found.target}: left out ({found.rule})" for found in order.left_out]
        states += ["unreadable"] if order.unreadable else []
        states += ["to be fetched"] if order.hint else []
        table.add_row(order.key, order.found_by, ", ".join(states))
    out.print(table)
    say(f"Next: intake show {orders[0].key}")


@click.command("show", epilog=examples("intake show shop-nl:1001", "intake show '#1001'"))
@click.argument("key")
@click.option("--ask", is_flag=True, help="Also search the targets for KEY as their own id: one call each.")
@json_option
def command(key: str, *, ask: bool, as_json: bool) -> None:
    """Show the history of an order.

    The output ends with what happens next. KEY is the order key (provider:external_id), the id or the number at the
    provider, the beginning of the number, the reference in a target, or the target's own id. The name of a provider as
    KEY lists its unreadable records.
    """
    rt, out = open_runtime(offline=not ask), console()
    if key in rt.settings.providers and not as_json:
        _print_unreadable(rt, key)
        return
    orders = find_orders(rt, key, ask=ask)
    jobs = _dead_jobs(rt, key)
    if as_json:
        found = _as_json(rt, orders[0]) if len(orders) == 1 else {"matches": [_as_json(rt, order) for order in orders]}
        click.echo(json.dumps({**found, "jobs": [job.id for job in jobs]}, indent=2))
        if not orders and not jobs:
            raise SystemExit(1)
    elif not orders and not jobs:
        raise click.ClickException(not_found(rt, key, asked=ask))
    elif len(orders) > 1:
        _print_choice(out, key, orders)
    elif orders:
        _print_found(rt, out, orders[0])
    for job in () if as_json else jobs:
        say(f"A job with this id failed ({job.code}: {job.reason}). Next: intake inbox show {job.id}")
