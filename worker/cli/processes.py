"""The processes of Intake: one list, which the Procfile repeats."""

from __future__ import annotations

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
    "flower": "celery -A worker.app flower --address=127.0.0.1 --port=5555 --read_only",
}


def procfile() -> str:
    """The text of the Procfile."""
    return "".join(f"{name}: {command}\n" for name, command in COMMANDS.items())
