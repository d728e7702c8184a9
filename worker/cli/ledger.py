"""`intake ledger`: the way back to the release before, which does not know of orders at rest."""

from __future__ import annotations

import click

from worker.cli.options import careful, go_on, opened


@click.group("ledger")
def command() -> None:
    """Look after the ledger."""


@command.command("unpack")
@careful
def unpack(*, dry_run: bool, yes: bool) -> None:
    """Write the ledger as the release before had it, before you go back to that one: stop Intake first."""
    rt = opened()
    if dry_run:
        click.echo(f"{rt.ledger.resting()} orders would be unpacked. Nothing was touched.")
        return
    go_on("Is every process of Intake stopped? The ledger takes up to three times its memory", yes=yes)
    click.echo(f"{sum(rt.ledger.rouse())} orders unpacked. Now start the release before, and no other.")


@command.command("pack")
@careful
def pack(*, dry_run: bool, yes: bool) -> None:
    """Keep delivered orders in few bytes from now on, not a day after this release first ran, or again."""
    rt = opened()
    if dry_run:
        click.echo("Delivered orders would be packed from now on. Nothing was touched.")
        return
    go_on("Does no process of the release before run any more? It would take packed orders for new ones", yes=yes)
    rt.ledger.rest_now()
    click.echo("From now on. What is delivered already is packed by `intake up`, bit by bit.")
