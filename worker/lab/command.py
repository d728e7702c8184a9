"""`intake sandbox`: the simulated systems on loopback, with faults to switch on."""

from __future__ import annotations

import importlib.util
import os
import sys

import click


@click.command("sandbox", add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def command(options: tuple[str, ...]) -> None:
    """Serve the simulated systems until Ctrl-C; `intake sandbox --help` lists the options."""
    if importlib.util.find_spec("aiohttp") is None:
        raise click.ClickException('the sandbox is an extra: pip install "intake-orders[sandbox]"')
    # In the place of this process: a signal to it is a signal to the sandbox.
    os.execv(sys.executable, [sys.executable, "-m", "worker.lab.sandbox", *options])  # noqa: S606  # our own module
