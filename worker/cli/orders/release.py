"""`intake release`: let held orders go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from worker.cli.options import careful, go_on, known, opened

if TYPE_CHECKING:
    from worker.runtime import Runtime

#: Orders looked at in one round trip.
_AT_ONCE = 500


def _shown(rt: Runtime, target: str, keys: list[str]) -> Table:
    table = Table("order", "reference", "held since it was", "why", title=f"Held in {target}", title_justify="left")
    for key in keys:
        for entry in rt.ledger.entries([target], key):
            record = entry.record
            had = "delivered, then changed" if "done" in record else "not delivered yet"
            table.add_row(key, record["reference"], had, record.get("detail", ""))
    return table


@click.command("release")
@click.argument("target")
@click.argument("keys", nargs=-1)
@click.option("--drop", is_flag=True, help="Let them be: the target keeps what it has; what it never had is dead.")
@careful
def command(target: str, keys: tuple[str, ...], **flags: Any) -> None:
    """Send the orders that are held in TARGET, all of them or those of KEYS (`provider:external_id`)."""
    rt = opened()
    lane = rt.lanes[known(target, "target", rt.lanes)]
    held = [key for key in lane.held_keys() if not keys or key in keys]
    if unknown := sorted(set(keys) - set(held)):
        raise click.ClickException(
            f"not held in {target}: {', '.join(unknown)}. See: intake release {target} --dry-run"
        )
    if not held:
        click.echo(f"Nothing is held in {target}.")
        return
    if flags["dry_run"]:
        Console().print(_shown(rt, target, held))
        return
    what = f"Drop what is held of {len(held)} orders in" if flags["drop"] else f"Send {len(held)} held orders to"
    go_on(f"{what} {target}?", yes=flags["yes"])
    done = sum(
        lane.release(held[n : n + _AT_ONCE], "drop" if flags["drop"] else "send") for n in range(0, len(held), _AT_ONCE)
    )
    click.echo(f"{done} of {target} {'dropped' if flags['drop'] else 'released: they are sent with the next sweep'}.")
