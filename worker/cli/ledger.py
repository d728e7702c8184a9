"""`intake ledger`: the way back to the release before, which does not know of orders at rest."""

from __future__ import annotations

import click

from worker.runtime import Runtime, read_settings


@click.group("ledger")
def command() -> None:
    """Look after the ledger."""


@command.command("unpack")
@click.option("--yes", is_flag=True, help="Do not ask.")
def unpack(*, yes: bool) -> None:
    """Write the ledger as the release before had it, before you go back to that one: stop Intake first."""
    rt = click.get_current_context().with_resource(Runtime(read_settings()))
    if not yes:
        click.confirm("Is every process of Intake stopped? The ledger takes up to three times its memory", abort=True)
    click.echo(f"{sum(rt.ledger.rouse())} orders unpacked. Now start the release before, and no other.")


@command.command("pack")
def pack() -> None:
    """Keep delivered orders in few bytes from now on, not a day after this release first ran, or again."""
    rt = click.get_current_context().with_resource(Runtime(read_settings()))
    rt.ledger.rest_now()
    click.echo("From now on. What is delivered already is packed by `intake up`, bit by bit.")
