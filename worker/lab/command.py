"""`intake sandbox`: the simulated systems on loopback, with optional faults."""

from __future__ import annotations

import os

import click

from worker.operations.extras import require_extra
from worker.process.intake_orders import command as own_command
from worker.process.intake_orders import replace_process


@click.command("sandbox", add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def command(options: tuple[str, ...]) -> None:
    """Serve the simulated systems.

    They run until Ctrl-C. `intake sandbox --help` lists the options.
    """
    require_extra("sandbox", "aiohttp")
    # Replace this process, so that it passes signals on to the simulator.
    replace_process(own_command("worker.lab.sandbox", *options), os.environ)
