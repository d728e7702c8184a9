"""The `intake` command."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import click

from worker.errors import ConfigError, IntakeError

#: Where each subcommand is: imported when it is called, so that `intake --help` is quick.
COMMANDS = {
    "up": "worker.cli.up:command",
    "run": "worker.cli.run:command",
    "demo": "worker.cli.demo:command",
    "init": "worker.cli.init:command",
    "check": "worker.cli.check:command",
    "status": "worker.cli.status:command",
    "health": "worker.cli.health:command",
    "metrics": "worker.cli.metrics:command",
    "show": "worker.cli.show:command",
    "poll": "tasks.poll_command:command",
    "cursor": "worker.cli.cursor:command",
    "schema": "worker.cli.schema:command",
    "push": "worker.cli.push:command",
    "listen": "tasks.listen:command",
    "inbox": "worker.cli.inbox:command",
    "receive": "worker.cli.receive:command",
    "reconcile": "worker.cli.reconcile:command",
    "backfill": "worker.cli.backfill:command",
    "report": "worker.cli.report:command",
    "pause": "worker.cli.pause:pause",
    "resume": "worker.cli.pause:resume",
    "dead": "worker.cli.dead:command",
    "doubt": "worker.cli.doubt:command",
    "release": "worker.cli.release:command",
    "erase": "worker.cli.erase:command",
    "ledger": "worker.cli.ledger:command",
    "drill": "worker.cli.drill:command",
    "history": "worker.cli.history:command",
    "sandbox": "worker.cli.sandbox:command",
    "bench": "worker.cli.bench:command",
}


class _Lazy(click.Group):
    """A group whose subcommands are imported one at a time, and whose wrong settings are told in plain words."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        found: click.Command = getattr(importlib.import_module(module), name)
        return found

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
    """What a dead Redis raises; imported only when something was raised."""
    from worker.store.connection import ERRORS

    return ERRORS


@click.group(cls=_Lazy)
@click.version_option(package_name="intake-orders", prog_name="intake")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The settings; otherwise $INTAKE_CONFIG, or intake.toml here.",
)
def main(config: Path | None) -> None:
    """Carry orders: no order lost, none doubled.

    Exit codes: 0 all is well, 1 something is wrong, 2 the command or the settings cannot be understood.
    """
    if config is not None:
        os.environ["INTAKE_CONFIG"] = str(config.absolute())
