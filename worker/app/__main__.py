"""Start a process of Celery: `python -m worker.app worker ...` is `celery --quiet -A worker.app worker ...`.

The command `celery` also imports Flower, the shell of AMQP and every other subcommand: half of the time of a start.
"""

from __future__ import annotations

import sys

from worker.process.imports import collection_paused
from worker.process.output import unblock_output

# Before Celery is imported, which keeps the streams that it finds.
unblock_output()

with collection_paused():
    from celery.bin.base import CLIContext
    from celery.bin.beat import beat
    from celery.bin.worker import worker

    from worker.app import app


def main(words: list[str]) -> None:
    """Run the subcommand that the first word names."""
    if words[0] == "flower":
        from celery.bin.celery import celery  # imports Flower too, as one of its plugins

        from worker.app.flower_broker import use_in_flower

        use_in_flower()
        celery.main(["--quiet", "-A", "worker.app", *words], prog_name="celery")
    command = {"worker": worker, "beat": beat}[words[0]]
    context = CLIContext(app=app, no_color=False, workdir=None, quiet=True)
    command.main(words[1:], prog_name=f"celery {words[0]}", obj=context)


if __name__ == "__main__":
    main(sys.argv[1:])
