"""`intake run NAME`: run one process of the Procfile under a supervisor of your own."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Final

import click

from worker.cli.run.processes import COMMANDS, argv, process_environment
from worker.errors import ConfigError
from worker.operations.examples import examples
from worker.process.intake_orders import replace_process
from worker.runtime import read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The variable with Flower's passwords; without it, Flower shows its pages to everybody who reaches it.
_FLOWER_AUTH = "FLOWER_BASIC_AUTH"
_PORTS: Final = 65_536

#: Tasks that Flower keeps: 100,000, its default, take more memory than the chart gives it.
_MOST_TASKS: Final = "20000"
#: Variables of Flower that have no effect: the first names a file of Python code that Flower would run, the second
#: opens its API without a password.
_FLOWER_IGNORED: Final = ("FLOWER_CONF", "FLOWER_UNAUTHENTICATED_API")


def flower_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for Flower, which by default listens only to this machine.

    Raises:
        ConfigError: No password is set, or one that Flower would take for another.
    """
    remedy = f"Set {_FLOWER_AUTH}=user:password (several with commas; none with a comma in it)."
    if ":" not in environ.get(_FLOWER_AUTH, ""):
        reason = "is not set, and Flower would show its pages to everybody who reaches its port"
        raise ConfigError("the environment", _FLOWER_AUTH, reason, remedy)
    # Flower splits at each comma, and compares only ASCII.
    for number, entry in enumerate(environ[_FLOWER_AUTH].split(","), 1):
        user, _, password = entry.partition(":")
        if not user or not password or entry != entry.strip() or not (entry.isascii() and entry.isprintable()):
            reason = f"is not user:password in part {number}, in ASCII and without spaces around it"
            raise ConfigError("the environment", _FLOWER_AUTH, reason, remedy)
    made = {name: value for name, value in environ.items() if name not in _FLOWER_IGNORED}
    if "://" in made.get("FLOWER_PORT", ""):
        del made["FLOWER_PORT"]  # Kubernetes sets it to the address of a service named flower
    return {"FLOWER_ADDRESS": "127.0.0.1", "FLOWER_MAX_TASKS": _MOST_TASKS, **made}


def check_flower_port(environ: Mapping[str, str]) -> None:
    """Raise ConfigError if Flower cannot listen at its port: it would end with a traceback."""
    if "FLOWER_UNIX_SOCKET" in environ:
        return
    port, host = environ.get("FLOWER_PORT", "5555"), environ["FLOWER_ADDRESS"]
    reason = "is not a port"
    if port.isdecimal() and int(port) < _PORTS:
        try:
            with socket.create_server((host, int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
                return
        except OSError as error:
            reason = f"cannot be used at {host}: {os.strerror(error.errno or 0).lower()}"
    raise ConfigError("the environment", "FLOWER_PORT", f"({port}) {reason}", "Name another port by FLOWER_PORT.")


@click.command("run", epilog=examples("intake run worker"))
@click.argument("name", type=click.Choice(list(COMMANDS)))
def command(name: str) -> None:
    """Run one process of the Procfile.

    It runs in the foreground, for systemd, a container or another supervisor. SIGTERM ends it in order.
    """
    environ = process_environment(read_settings().file)
    if name == "flower":
        environ = flower_environment(environ)
        check_flower_port(environ)
    replace_process(argv(name), environ)
