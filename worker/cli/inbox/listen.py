"""`intake listen`: take jobs from the inbox as they arrive."""

from __future__ import annotations

import contextlib
import socket
import threading

import click

from tasks.listen import listen
from worker.app import nudge
from worker.cli.terminal import never_wait
from worker.errors import StoreFull
from worker.operations.examples import examples
from worker.process.liveness_file import LivenessFile, liveness_folder
from worker.process.stopping import on_stop_signals
from worker.runtime import Runtime, process_settings
from worker.settings.take_over import take_over
from worker.store.health.signs import LISTEN
from worker.store.redis.connection import ERRORS
from worker.telemetry import traces
from worker.telemetry.log import configure
from worker.watch.watch import Watch


@click.command("listen", epilog=examples("intake listen"))
def command() -> None:
    """Accept jobs from the inbox.

    The command runs until it is stopped. Several may run, on several machines.
    """
    never_wait()
    settings = process_settings()
    configure(settings.log.level, settings.log.format)
    traces.warn_if_missing()
    stopped = threading.Event()
    on_stop_signals(lambda *_: stopped.set())
    if reloader := take_over(settings, LISTEN, stopped.set):
        reloader.heed()
    rt = Runtime(settings)
    name = f"{LISTEN} {LISTEN}@{socket.gethostname()}"
    alive = LivenessFile(liveness_folder(settings.data_dir), LISTEN)

    def keep_running() -> bool:
        alive.tick()
        rt.signs.give(name, settings.fingerprint)
        with contextlib.suppress(StoreFull, *ERRORS):  # reported where jobs are taken
            rt.installation.confirm()
        return not stopped.is_set()

    # Upkeep watches too; this process reports that beat or upkeep is silent.
    with Watch(rt):
        listen(rt, nudge, keep_running)
