"""Start a process of Celery: `python -m worker.app worker ...` is `celery --quiet -A worker.app worker ...`.

The command `celery` also imports Flower, the shell of AMQP and every other subcommand: half of the time of a start.
`python -m worker.app flower` starts Flower as Intake runs it (see `worker/app/flower.py`).
"""

from __future__ import annotations

import os
import sys

from worker.errors import ConfigError
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
        from worker.app.flower import run_flower

        try:
            run_flower(os.environ)
        except ConfigError as error:
            print(error, file=sys.stderr)  # noqa: T201  # as in `worker.app.configuration`
            raise SystemExit(2) from None
        return
    command = {"worker": worker, "beat": beat}[words[0]]
    context = CLIContext(app=app, no_color=False, workdir=None, quiet=True)
    command.main(words[1:], prog_name=f"celery {words[0]}", obj=context)


if __name__ == "__main__":
    main(sys.argv[1:])
