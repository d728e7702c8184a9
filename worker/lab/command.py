"""`intake sandbox`: the simulated systems on loopback, with optional faults."""

from __future__ import annotations

import importlib.util
import os

import click

from worker.process.intake_orders import command as own_command
from worker.process.intake_orders import replace_process


@click.command("sandbox", add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def command(options: tuple[str, ...]) -> None:
    """Serve the simulated systems.

    They run until Ctrl-C. `intake sandbox --help` lists the options.
    """
    if importlib.util.find_spec("aiohttp") is None:
        raise click.ClickException('the sandbox is an extra: pip install "intake-orders[sandbox]"')
    # Replace this process, so that it passes signals on to the simulator.
    replace_process(own_command("worker.lab.sandbox", *options), os.environ)
