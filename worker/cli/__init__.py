"""The `intake` command."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import click

from worker.cli.terminal import escaped_output
from worker.errors import ConfigError, IntakeError

#: The address of each subcommand, which is imported when it is needed: commands start faster.
COMMANDS = {
    "up": "worker.cli.run.up:command",
    "run": "worker.cli.run.one:command",
    "demo": "worker.lab.demo.command:command",
    "init": "worker.cli.setup.init:command",
    "check": "worker.cli.setup.check:command",
    "rename": "worker.cli.setup.rename:command",
    "forget": "worker.cli.setup.forget:command",
    "status": "worker.cli.status.status:command",
    "health": "worker.cli.status.health:command",
    "metrics": "worker.cli.status.metrics:command",
    "show": "worker.cli.orders.show:command",
    "poll": "worker.cli.feeds.poll:command",
    "cursor": "worker.cli.feeds.cursor:command",
    "schema": "worker.cli.setup.schema:command",
    "push": "worker.cli.inbox.push:command",
    "listen": "worker.cli.inbox.listen:command",
    "inbox": "worker.cli.inbox.inbox:command",
    "receive": "worker.cli.inbox.receive:command",
    "reconcile": "worker.cli.feeds.reconcile:command",
    "backfill": "worker.cli.feeds.backfill:command",
    "report": "worker.cli.report.command:command",
    "pause": "worker.cli.feeds.pause:pause",
    "resume": "worker.cli.feeds.pause:resume",
    "dead": "worker.cli.orders.dead:command",
    "doubt": "worker.cli.orders.doubt:command",
    "release": "worker.cli.orders.release:command",
    "erase": "worker.cli.orders.erase:command",
    "drill": "worker.lab.demo.drill:command",
    "history": "worker.lab.history.command:command",
    "sandbox": "worker.lab.command:command",
}


class _Lazy(click.Group):
    """A group that imports its subcommands one at a time, and prints our own errors without a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def main(self, *args: Any, **options: Any) -> Any:
        with escaped_output():
            return super().main(*args, **options)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            click.echo(str(error), err=True)
            sys.exit(2)
        except IntakeError as error:
            click.echo(f"{error.code}: {error}. See: intake check", err=True)
            sys.exit(1)
        except _store_errors() as error:
            click.echo(f"Redis does not answer: {error} Start `intake up`, or look at redis.url.", err=True)
            sys.exit(1)


def _store_errors() -> tuple[type[Exception], ...]:
    """Return the errors of an unreachable Redis; they are imported only when an error was raised."""
    from worker.store.redis.connection import ERRORS

    return ERRORS


@click.group(cls=_Lazy)
@click.version_option(package_name="intake-orders", prog_name="intake")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The settings; otherwise $INTAKE_CONFIG, or intake.toml here.",
)
def main(config: Path | None) -> None:
    """Carry orders from providers to targets: no order lost, none duplicated.

    Exit codes: 0 success, 1 failure, 2 the command or the settings are invalid.
    """
    if config is not None:
        os.environ["INTAKE_CONFIG"] = str(config.absolute())
