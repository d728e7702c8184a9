"""`intake release`: let held orders go on."""

from __future__ import annotations

from typing import Any

import click
from rich.console import Console
from rich.table import Table

from worker.runtime import Runtime, read_settings

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
@click.option("--dry-run", is_flag=True, help="Show what is held, and touch nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(target: str, keys: tuple[str, ...], **flags: Any) -> None:
    """Send the orders that are held in TARGET, all of them or those of KEYS (`provider:external_id`)."""
    rt = click.get_current_context().with_resource(Runtime(read_settings()))
    if target not in rt.lanes:
        raise click.UsageError(f"{target} is not a target; known are: {', '.join(rt.lanes)}")
    lane = rt.lanes[target]
    held = [key for key in lane.held() if not keys or key in keys]
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
    if flags["drop"] and not flags["yes"]:
        click.confirm(f"Drop what is held of {len(held)} orders in {target}?", abort=True)
    done = sum(
        lane.release(held[n : n + _AT_ONCE], "drop" if flags["drop"] else "send") for n in range(0, len(held), _AT_ONCE)
    )
    click.echo(f"{done} of {target} {'dropped' if flags['drop'] else 'released: they are sent with the next sweep'}.")
