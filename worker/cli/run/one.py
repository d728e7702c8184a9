"""`intake run NAME`: run one process of the Procfile under a supervisor of your own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from worker.cli.run.processes import COMMANDS, argv
from worker.errors import ConfigError
from worker.runtime import read_settings

#: The variable with Flower's passwords; without it, Flower shows its pages to everybody who reaches it.
_FLOWER_AUTH = "FLOWER_BASIC_AUTH"


def flower_environment(environ: dict[str, str]) -> dict[str, str]:
    """Return the environment for Flower, which by default listens only to this machine.

    Raises:
        ConfigError: No password is set.
    """
    if ":" not in environ.get(_FLOWER_AUTH, ""):
        raise ConfigError(
            "the environment",
            _FLOWER_AUTH,
            "is not set, and Flower would show its pages to everybody who reaches its port",
            f"Set {_FLOWER_AUTH}=user:password (several with commas).",
        )
    return {"FLOWER_ADDRESS": "127.0.0.1", **environ}


@click.command("run")
@click.argument("name", type=click.Choice(list(COMMANDS)))
def command(name: str) -> None:
    """Run one process of the Procfile in the foreground, for systemd, a container or any supervisor.

    The command becomes that process, so signals reach it. SIGTERM ends it in order.
    """
    settings = read_settings()
    environ = os.environ | {"INTAKE_CONFIG": str(Path(settings.file).absolute()), "PYTHONUNBUFFERED": "1"}
    if name == "flower":
        environ = flower_environment(environ)
    os.execve(sys.executable, argv(name), environ)  # noqa: S606  # our own list, no shell
