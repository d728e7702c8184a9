"""The `intake` command."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from worker.cli.terminal import escaped_output
from worker.errors import ConfigError, IntakeError, StoreFull
from worker.process.imports import collection_paused
from worker.telemetry.printable import one_line

#: The commands by group: the address and the summary of each. A command is imported only when it is called: commands
#: start faster. The summary is the first sentence of the command's own help.
GROUPS: Final = {
    "Start": {
        "init": ("worker.cli.setup.init:command", "Write a commented intake.toml"),
        "check": ("worker.cli.setup.check:command", "Check the settings, Redis and every account"),
        "up": ("worker.cli.run.up:command", "Run all processes on this machine"),
        "reload": ("worker.cli.run.reload:command", "Apply a changed intake.toml"),
        "run": ("worker.cli.run.one:command", "Run one process of the Procfile"),
        "listen": ("worker.cli.inbox.listen:command", "Accept jobs from the inbox"),
        "receive": ("worker.cli.inbox.receive:command", "Receive webhooks over HTTP"),
        "web": ("worker.web.command:command", "Serve the console, and manage its users"),
    },
    "Look": {
        "status": ("worker.cli.status.status:command", "Show all problems, and the state of everything"),
        "show": ("worker.cli.orders.show:command", "Show the history of an order"),
        "audit": ("worker.cli.status.audit:command", "Show who changed what, and when"),
        "report": ("worker.cli.report.command:command", "Write a report of a period as one HTML page"),
        "health": ("worker.cli.status.health:command", "Check liveness or readiness, for a supervisor"),
        "alarms": ("worker.cli.status.alarms:command", "Test the receivers of alarms"),
        "metrics": ("worker.cli.status.metrics:command", "Serve metrics for Prometheus"),
        "docs": ("worker.cli.setup.docs:command", "Print a page of the documentation"),
        "schema": ("worker.cli.setup.schema:command", "Print a JSON Schema: job, order or settings"),
    },
    "Act": {
        "poll": ("worker.cli.feeds.poll:command", "Poll a provider now, or preview a poll"),
        "push": ("worker.cli.inbox.push:command", "Push jobs into the inbox"),
        "backfill": ("worker.cli.feeds.backfill:command", "Read a range of a provider again"),
        "cursor": ("worker.cli.feeds.cursor:command", "Show or move the cursor of a provider"),
        "pause": ("worker.cli.feeds.pause:pause", "Pause a provider or a target"),
        "resume": ("worker.cli.feeds.pause:resume", "Resume a provider or a target"),
    },
    "Fix": {
        "dead": ("worker.cli.orders.dead:command", "List, replay or discard dead letters"),
        "doubt": ("worker.cli.orders.doubt:command", "List and settle orders in doubt"),
        "release": ("worker.cli.orders.release:command", "Send held orders"),
        "inbox": ("worker.cli.inbox.inbox:command", "List, replay or discard jobs that failed"),
        "rename": ("worker.cli.setup.rename:command", "Continue the orders of an account under a new name"),
        "forget": ("worker.cli.setup.forget:command", "Give up an account removed from the settings"),
        "correct": ("worker.cli.orders.correct:command", "Correct an order, and send it again"),
        "erase": ("worker.cli.orders.erase:command", "Erase the data of one customer"),
    },
    "Prove": {
        "reconcile": ("worker.cli.feeds.reconcile:command", "Compare a provider's orders with a target's"),
        "demo": ("worker.lab.demo.command:command", "Run a demonstration between simulated systems"),
        "drill": ("worker.lab.demo.drill:command", "Lose Redis on purpose between simulated systems"),
        "sandbox": ("worker.lab.command:command", "Serve the simulated systems"),
        "history": ("worker.lab.history.command:command", "Check the journals of the simulator"),
    },
}
COMMANDS: Final = {name: entry for commands in GROUPS.values() for name, entry in commands.items()}


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
        for group, commands in GROUPS.items():
            with formatter.section(group):
                formatter.write_dl([(f"{name:<9}", summary) for name, (_, summary) in commands.items()])

    def main(self, *args: Any, **options: Any) -> Any:
        try:
            with escaped_output():
                return super().main(*args, **options)
        except OSError as error:  # the disk or the terminal behind the output is full or gone
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            with contextlib.suppress(OSError):
                print(f"Error: {error.filename or 'the output'}: {error.strerror}", file=sys.stderr)  # noqa: T201  # as click
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            prefix = "Error: "  # click's, before the message
            # Of a message of ours, which may quote other systems, every line feed is theirs.
            message = one_line(error.message) if type(error) is click.ClickException else error.message
            vars(error)["message"] = _wrapped(prefix + message).removeprefix(prefix)
            raise
        except ConfigError as error:
            _fail(str(error), 2)
        except StoreFull as error:
            _fail(one_line(f"{error}. {error.remedy}"))
        except IntakeError as error:
            _fail(one_line(f"{error} ({error.code}). Next: intake check"))
        except _store_errors() as error:
            _fail(_describe(error))


def _fail(message: str, code: int = 1) -> NoReturn:
    """Print what happened, one error for each line, and end the command."""
    for line in message.splitlines():
        click.echo(_wrapped(f"Error: {line}"), err=True)
    sys.exit(code)


def _wrapped(message: str) -> str:
    from worker.cli.results import wrapped

    return wrapped(message)


def _store_errors() -> tuple[type[Exception], ...]:
    """Return the errors of an unreachable Redis; they are imported only when an error was raised."""
    from worker.store.redis.connection import ERRORS

    return ERRORS


def _describe(error: Exception) -> str:
    """Return the state of the Redis that caused the error, and its remedy."""
    from worker.cli.in_use import read_settings_in_use
    from worker.runtime import redis_url
    from worker.store.redis.connection import connect
    from worker.store.redis.diagnosis import state_of

    try:
        url = redis_url(read_settings_in_use())
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
    """Deliver orders from providers to targets: no order lost, none duplicated.

    Exit codes: 0 success, 1 failure, 2 the command or the settings are invalid.
    """
    if config is not None:
        os.environ["INTAKE_CONFIG"] = str(config.absolute())
