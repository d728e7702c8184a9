"""One process that polls, ingests, delivers and sweeps in turn, as the processes of the Procfile do, without Celery."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING
from unittest.mock import patch

from tasks.backfill import backfill
from tasks.deliver import deliver
from tasks.fetch import fetch
from tasks.listen import take
from tasks.poll import poll
from tasks.sweep import sweep
from worker.errors import LeaseLost, StoreFull
from worker.runtime import Runtime, read_settings
from worker.store.feeds import fetches
from worker.store.redis.connection import ERRORS
from worker.systems.dropday.target import Dropday
from worker.telemetry import log

if TYPE_CHECKING:
    from collections.abc import Callable

#: Milliseconds of a fetch's lease, instead of two minutes.
FETCH_LEASE = 1500


#: Errors that end a step, as they end a Celery task; the next turn starts it again.
ENDS_A_STEP: tuple[type[Exception], ...] = (*ERRORS, LeaseLost, StoreFull)


def nobody(*_: object) -> None:
    """Send no nudge: a lost nudge costs only time."""


def ingest(rt: Runtime) -> None:
    with rt.inbox.taker() as taker:
        while take(rt, taker, nobody):
            pass


STEPS: dict[str, Callable[[Runtime], object]] = {
    "poll": lambda rt: poll(rt, "shop", nobody),
    "ingest": ingest,
    "backfill": lambda rt: backfill(rt, "shop", nobody),
    "fetch": lambda rt: fetch(rt, "shop", nobody),
    "deliver": lambda rt: deliver(rt, "dropday", nobody),
    "sweep": lambda rt: sweep(rt, nobody),
}


def walk(env: dict[str, str], first: str, ahead: float) -> None:
    """Repeat all steps until SIGTERM, `first` first; this process' own clock is `ahead` seconds ahead."""
    os.environ.update(env)
    log_file = os.open(env["WALKER_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(log_file, 1)
    os.dup2(log_file, 2)
    assert isinstance(sys.stdout, io.TextIOWrapper)
    sys.stdout.reconfigure(line_buffering=True)
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if ahead:
        right = time.time
        time.time = lambda: right() + ahead
    patch.object(fetches, "_LEASE_MS", FETCH_LEASE).start()
    # Where the simulated target accepts duplicates, its adapter must declare that too.
    Dropday.dedupes = env["WALKER_DEDUPE"] == "on"
    log.configure("info", "json")
    rt = Runtime(read_settings())
    while not stopped.wait(0.05):
        for name in sorted(STEPS, key=lambda name: name != first):
            try:
                STEPS[name](rt)
            except ENDS_A_STEP as error:
                print(f"{name}: {type(error).__name__}")
            except Exception:  # noqa: BLE001  # a bug goes to the log, which the cell's verdict reads
                print(f"UNEXPECTED in {name}: {traceback.format_exc()}")
