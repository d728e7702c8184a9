"""A step of the Celery worker for the end of its terminal (SIGHUP)."""

from __future__ import annotations

import signal
from typing import Any

from celery import bootsteps


class HangUpStep(bootsteps.StartStopStep):
    """Stop on SIGHUP as on SIGTERM, or ignore it under `nohup`: Celery would start itself again, or die of it."""

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN

    def start(self, worker: Any) -> None:  # noqa: ARG002  # Celery's signature
        """Replace the handler of Celery, which it set right before its first step starts."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN if self._ignored else signal.getsignal(signal.SIGTERM))


def ignore_hang_up(**_: object) -> None:
    """Leave SIGHUP to the worker in a process of its pool, which receives it as well from a terminal."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
