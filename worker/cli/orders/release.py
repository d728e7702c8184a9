"""`intake release`: send held orders, or drop them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import click
from rich.console import Console
from rich.table import Table

from tasks.release import release
from worker.cli.options import confirm_or_abort, confirmable, open_runtime, target_of

if TYPE_CHECKING:
    from worker.runtime import Runtime


def _table(rt: Runtime, target: str, keys: list[str]) -> Table:
    table = Table("order", "reference", "held since it was", "why", title=f"Held in {target}", title_justify="left")
    for key in keys:
        for entry in rt.ledger.entries([target], key):
            record = entry.record
            state = "delivered, then changed" if "done" in record else "not delivered yet"
            table.add_row(key, record["reference"], state, record.get("detail", ""))
    return table


@click.command("release")
@click.argument("target")
@click.argument("keys", nargs=-1)
@click.option("--drop", is_flag=True, help="Let them be: the target keeps what it has; what it never had is dead.")
@confirmable
def command(target: str, keys: tuple[str, ...], **flags: Any) -> None:
    """Send the orders held in TARGET: all, or those of KEYS (`provider:external_id`)."""
    rt = open_runtime(offline=True, confirmed=True)
    target = target_of(rt, target)
    lane = rt.lanes[target]
    held = [key for key in lane.held_keys() if not keys or key in keys]
    if unknown := sorted(set(keys) - set(held)):
        raise click.ClickException(
            f"not held in {target}: {', '.join(unknown)}. See: intake release {target} --dry-run"
        )
    if not held:
        click.echo(f"Nothing is held in {target}.")
        return
    if flags["dry_run"]:
        Console().print(_table(rt, target, held))
        return
    action = f"Drop what is held of {len(held)} orders in" if flags["drop"] else f"Send {len(held)} held orders to"
    confirm_or_abort(f"{action} {target}?", yes=flags["yes"])
    move: Literal["drop", "send"] = "drop" if flags["drop"] else "send"
    count = release(rt, target, held, move)
    click.echo(f"{count} of {target} {'dropped' if flags['drop'] else 'released: they are sent with the next sweep'}.")
