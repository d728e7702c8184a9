"""A step of the Celery worker for SIGHUP: it reloads the settings, or the terminal of the worker is gone."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from celery import bootsteps

from worker.app.liveness_step import role_of
from worker.process.reloader import stop_process
from worker.runtime import process_settings
from worker.settings.take_over import take_over

if TYPE_CHECKING:
    from worker.process.reloader import Reloader


class HangUpStep(bootsteps.StartStopStep):
    """Set our own handler of SIGHUP: by its own, Celery would start itself again, or die of it."""

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        self._reloader: Reloader | None = take_over(process_settings(), role_of(worker.app), stop_process)

    def start(self, worker: Any) -> None:  # noqa: ARG002  # Celery's signature
        """Replace the handler of Celery, which it set right before its first step starts."""
        if self._reloader is not None:
            self._reloader.heed()
        else:
            signal.signal(signal.SIGHUP, signal.SIG_IGN if self._ignored else signal.getsignal(signal.SIGTERM))


def ignore_hang_up(**_: object) -> None:
    """Leave SIGHUP to the worker in a process of its pool, which receives it as well from a terminal."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
