"""The processes of Intake: one list, which the Procfile repeats."""

from __future__ import annotations

import shlex
import sys

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
}


#: The command line behind `intake run`, for a process whose line in the Procfile is `intake run` itself.
_BEHIND = {"flower": "celery -A worker.app flower --read_only"}
#: The modules that do the same as the first words of a command line, and start sooner.
_MODULES = {("intake",): "worker.cli", ("celery", "--quiet", "-A", "worker.app"): "worker.app"}


def argv(name: str) -> list[str]:
    """Return the command line of a process, run by this Python interpreter."""
    words = shlex.split(_BEHIND.get(name, COMMANDS[name]))
    for start, module in _MODULES.items():
        if words[: len(start)] == list(start):
            return [sys.executable, "-m", module, *words[len(start) :]]
    return [sys.executable, "-m", *words]


def procfile() -> str:
    """Return the text of the Procfile."""
    return "".join(f"{name}: {command}\n" for name, command in COMMANDS.items())
