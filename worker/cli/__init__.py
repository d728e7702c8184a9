"""The `intake` command."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from pathlib import Path
from typing import Any, Final

import click

from worker.cli.terminal import escaped_output
from worker.errors import ConfigError, IntakeError, StoreFull
from worker.process.imports import collection_paused

#: The address and the summary of each subcommand, which is imported only when it is called: commands start faster.
COMMANDS: Final = {
    "up": ("worker.cli.run.up:command", "Run all processes on this machine"),
    "run": ("worker.cli.run.one:command", "Run one process of the Procfile"),
    "demo": ("worker.lab.demo.command:command", "Run a demonstration between simulated systems"),
    "init": ("worker.cli.setup.init:command", "Write a commented intake.toml"),
    "check": ("worker.cli.setup.check:command", "Check the settings, Redis and every account"),
    "rename": ("worker.cli.setup.rename:command", "Continue the orders of an account under a new name"),
    "forget": ("worker.cli.setup.forget:command", "Give up an account that left the settings"),
    "status": ("worker.cli.status.status:command", "Show what needs you, and the state of everything"),
    "health": ("worker.cli.status.health:command", "Check liveness or readiness, for a supervisor"),
    "web": ("worker.web.command:command", "Serve the console, and manage its users"),
    "metrics": ("worker.cli.status.metrics:command", "Serve metrics for Prometheus"),
    "show": ("worker.cli.orders.show:command", "Show the history of an order"),
    "poll": ("worker.cli.feeds.poll:command", "Poll a provider now, or preview a poll"),
    "cursor": ("worker.cli.feeds.cursor:command", "Show or move the cursor of a provider"),
    "schema": ("worker.cli.setup.schema:command", "Print the JSON Schema of a job or the settings"),
    "push": ("worker.cli.inbox.push:command", "Push jobs into the inbox"),
    "listen": ("worker.cli.inbox.listen:command", "Take jobs from the inbox"),
    "inbox": ("worker.cli.inbox.inbox:command", "List and push again the jobs that failed"),
    "receive": ("worker.cli.inbox.receive:command", "Receive webhooks over HTTP"),
    "reconcile": ("worker.cli.feeds.reconcile:command", "Compare a provider's orders with a target's"),
    "backfill": ("worker.cli.feeds.backfill:command", "Read a range of a provider again"),
    "report": ("worker.cli.report.command:command", "Write a report of a period as one HTML page"),
    "pause": ("worker.cli.feeds.pause:pause", "Pause a provider or a target"),
    "resume": ("worker.cli.feeds.pause:resume", "Resume a provider or a target"),
    "dead": ("worker.cli.orders.dead:command", "List, replay or discard dead letters"),
    "doubt": ("worker.cli.orders.doubt:command", "List and settle orders in doubt"),
    "release": ("worker.cli.orders.release:command", "Send held orders"),
    "erase": ("worker.cli.orders.erase:command", "Erase the data of one customer"),
    "drill": ("worker.lab.demo.drill:command", "Lose Redis on purpose between simulated systems"),
    "history": ("worker.lab.history.command:command", "Judge the journals of the simulator"),
    "sandbox": ("worker.lab.command:command", "Serve the simulated systems"),
}


class _Lazy(click.Group):
    """A group that imports its subcommands one at a time, and prints our own errors without a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        with collection_paused():
            command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's signature
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def main(self, *args: Any, **options: Any) -> Any:
        try:
            with escaped_output():
                return super().main(*args, **options)
        except OSError as error:  # the disk or the terminal behind the output is full or gone
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            with contextlib.suppress(OSError):
                print(f"intake: {error.filename or 'the output'}: {error.strerror}", file=sys.stderr)  # noqa: T201  # as click
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            click.echo(str(error), err=True)
            sys.exit(2)
        except StoreFull as error:
            click.echo(f"{error.code}: {error}. {error.remedy}", err=True)
            sys.exit(1)
        except IntakeError as error:
            click.echo(f"{error.code}: {error}. See: intake check", err=True)
            sys.exit(1)
        except _store_errors() as error:
            click.echo(_describe(error), err=True)
            sys.exit(1)


def _store_errors() -> tuple[type[Exception], ...]:
    """Return the errors of an unreachable Redis; they are imported only when an error was raised."""
    from worker.store.redis.connection import ERRORS

    return ERRORS


def _describe(error: Exception) -> str:
    """Return the state of the Redis that caused the error, and its remedy."""
    from worker.runtime import read_settings, redis_url
    from worker.store.redis.connection import connect
    from worker.store.redis.diagnosis import state_of

    try:
        url = redis_url(read_settings(offline=True))
    except ConfigError:  # a command that has a Redis of its own
        return str(state_of(error))
    with connect(url, patience="short") as redis:
        return str(state_of(error, redis))


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
