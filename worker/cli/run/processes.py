"""The processes of Intake: one list, which the Procfile repeats."""

from __future__ import annotations

import shlex
from pathlib import Path

from worker.process.environment import environment
from worker.process.intake_orders import command

#: Each process and its command line, as a person would type it. The settings decide the number of pool processes.
COMMANDS = {
    "worker": (
        "celery --quiet -A worker.app worker --queues intake.deliver,intake.poll,intake.ingest --hostname worker@%h"
        " --without-gossip --without-mingle --loglevel WARNING"
    ),
    "listen": "intake listen",
    "upkeep": (
        "celery --quiet -A worker.app worker --queues intake.upkeep --pool solo --hostname upkeep@%h"
        " --without-gossip --without-mingle --loglevel WARNING"
    ),
    "beat": "celery --quiet -A worker.app beat --scheduler celery.beat:Scheduler --pidfile= --loglevel WARNING",
    "flower": "intake run flower",
    "web": "intake web",
    "receive": "intake receive",
}


#: The command line behind `intake run`, for a process whose line in the Procfile is `intake run` itself.
_BEHIND = {"flower": "celery --quiet -A worker.app flower"}


def argv(name: str) -> list[str]:
    """Return the command line of a process, run by this Python interpreter, with our own packages only."""
    program, *words = shlex.split(_BEHIND.get(name, COMMANDS[name]))
    # `worker.app` does the same as `celery --quiet -A worker.app`, and starts sooner.
    return command("worker.cli", *words) if program == "intake" else command("worker.app", *words[3:])


def process_environment(file: str) -> dict[str, str]:
    """Return the environment of a process with the settings of this file."""
    return {**environment(), "INTAKE_CONFIG": str(Path(file).absolute()), "PYTHONUNBUFFERED": "1"}


def procfile() -> str:
    """Return the text of the Procfile."""
    return "".join(f"{name}: {command}\n" for name, command in COMMANDS.items())
