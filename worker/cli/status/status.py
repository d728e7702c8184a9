"""`intake status`: what needs a person, and the state of everything, on one screen."""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import Final

import click
from rich.console import Console
from rich.live import Live

from worker.cli.options import open_runtime
from worker.cli.status.screen import ROWS, screen
from worker.operations.document import document

#: Columns of an output that is no terminal.
_WIDTH: Final = 100
#: Rows of a terminal that shows everything.
_TALL: Final = 60


@click.command("status")
@click.option("--watch", is_flag=True, help="Show it again every second until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
def command(*, watch: bool, as_json: bool) -> None:
    """Show what needs you, and the providers, lanes, limits and processes, on one screen."""
    rt = open_runtime(offline=True)
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDTH
    rows = ROWS if console.is_terminal and console.height < _TALL else None
    if as_json:
        click.echo(json.dumps(document(rt), indent=2))
    elif not watch:
        console.print(screen(document(rt), rows))
    else:
        with (
            contextlib.suppress(KeyboardInterrupt),
            Live(screen(document(rt), rows), console=console, screen=True) as live,
        ):
            while True:
                time.sleep(1)
                live.update(screen(document(rt), rows))
