"""`intake listen`: take jobs out of the inbox as they come."""

from __future__ import annotations

import signal
import threading

import click

from worker import log
from worker.runtime import Runtime, read_settings


@click.command("listen")
def command() -> None:
    """Take the jobs that producers push, until told to stop; it may run many times, on many machines."""
    from tasks.listen import listen  # the tasks import the app, which the other commands do without
    from worker.app import hint

    settings = read_settings()
    log.configure(settings.log.level, settings.log.format)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    listen(Runtime(settings), hint, lambda: not stopped.is_set())
