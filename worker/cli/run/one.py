"""`intake run NAME`: run one process of the Procfile under a supervisor of your own."""

from __future__ import annotations

import click

from worker.cli.run.processes import COMMANDS, argv, process_environment
from worker.operations.examples import examples
from worker.process.intake_orders import replace_process
from worker.runtime import read_settings
from worker.settings.flower import check_address, flower_options
from worker.settings.needs import NEEDS_OF, PROCESS


@click.command("run", epilog=examples("intake run worker"))
@click.argument("name", type=click.Choice(list(COMMANDS)))
def command(name: str) -> None:
    """Run one process of the Procfile.

    It runs in the foreground, for systemd, a container or another supervisor. SIGTERM ends it in order.
    """
    settings = read_settings(needs=NEEDS_OF[name])
    environ = {**process_environment(settings.file), PROCESS: name}
    if name == "flower":
        check_address(flower_options(environ))
    replace_process(argv(name), environ)
