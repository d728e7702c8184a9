"""`intake run NAME`: one process of the Procfile, for a supervisor of your own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from worker.cli.run.processes import COMMANDS, argv
from worker.errors import ConfigError
from worker.runtime import read_settings

#: Flower lets everybody look who reaches it, unless it is told not to.
_FLOWER = "FLOWER_BASIC_AUTH"


def guarded(environ: dict[str, str]) -> dict[str, str]:
    """Flower's environment: who may look must be said, and unless told otherwise only this machine reaches it."""
    if ":" not in environ.get(_FLOWER, ""):
        raise ConfigError(
            "the environment",
            _FLOWER,
            "is not set, and Flower would show its pages to everybody who reaches its port",
            f"Set {_FLOWER}=user:password (several with commas).",
        )
    return {"FLOWER_ADDRESS": "127.0.0.1", **environ}


@click.command("run")
@click.argument("name", type=click.Choice(list(COMMANDS)))
def command(name: str) -> None:
    """Run one process of the Procfile in the foreground: for systemd, a container, any supervisor.

    It becomes that process, so signals reach it. SIGTERM ends it in order.
    """
    settings = read_settings()
    environ = os.environ | {"INTAKE_CONFIG": str(Path(settings.file).absolute()), "PYTHONUNBUFFERED": "1"}
    if name == "flower":
        environ = guarded(environ)
    os.execve(sys.executable, argv(name), environ)  # noqa: S606  # our own list, no shell
