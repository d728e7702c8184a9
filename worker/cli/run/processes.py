"""The processes of Intake: one list, which the Procfile repeats."""

from __future__ import annotations

import shlex
import sys

#: Name and command line; what a person could type. How many pool processes a worker has follows from the settings.
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
}


#: What `intake run` becomes where the Procfile names `intake run` itself.
_BEHIND = {"flower": "celery -A worker.app flower --read_only"}


def argv(name: str) -> list[str]:
    """The command line of a process, run by this very Python."""
    program, *args = shlex.split(_BEHIND.get(name, COMMANDS[name]))
    return [sys.executable, "-m", "worker.cli" if program == "intake" else program, *args]


def procfile() -> str:
    """The text of the Procfile."""
    return "".join(f"{name}: {command}\n" for name, command in COMMANDS.items())
