"""`intake status`: what needs a person, and the state of everything, on one screen."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Final

import click

from worker.cli.options import open_runtime
from worker.cli.results import console
from worker.cli.status.screen import ROWS, screen
from worker.operations.document import full_document
from worker.operations.examples import examples

#: Rows of a terminal that shows everything.
_TALL: Final = 60


@click.command("status", epilog=examples("intake status", "intake status --watch"))
@click.option("--watch", is_flag=True, help="Refresh every second until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(*, watch: bool, as_json: bool) -> None:
    """Show all problems, and the state of everything.

    One screen shows the providers, lanes, limits, dead orders and processes.
    """
    rt = open_runtime(offline=True)
    out = console()
    rows = ROWS if out.is_terminal and out.height < _TALL else None
    if as_json:
        click.echo(json.dumps(full_document(rt), indent=2))
    elif not watch:
        out.print(screen(full_document(rt), out.width, rows))
    else:
        from rich.live import Live

        with (
            contextlib.suppress(KeyboardInterrupt),
            Live(screen(full_document(rt), out.width, rows), console=out, screen=True) as live,
        ):
            while True:
                time.sleep(1)
                live.update(screen(full_document(rt), out.width, rows))
