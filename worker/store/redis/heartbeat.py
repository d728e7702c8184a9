"""Keeps a lease alive from a background thread."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from worker.errors import LeaseLost

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self


def uptime() -> float:
    """Return seconds that also count while the machine sleeps: a lease must not outlive a suspended laptop."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boottime is None else time.clock_gettime(boottime)


class Heartbeat:
    """Calls `renew` every `interval` seconds from its own thread until the context ends.

    `renew` returns whether the lease is still ours. After `lease` seconds without confirmation the lease counts as lost
    here too, whatever Redis says: a process that was stopped must not continue what another has taken over.
    """

    def __init__(self, renew: Callable[[], bool], interval: float, lease: float) -> None:
        self._renew, self._interval, self._lease = renew, interval, lease
        self._renewed = uptime()
        self._lost = False
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def _beat(self) -> None:
        while not self._done.wait(self._interval):
            # A Redis that does not respond is not a lost lease yet: the time decides.
            with contextlib.suppress(Exception):
                asked = uptime()
                self.confirm(asked, ours=self._renew())

    def confirm(self, asked: float, *, ours: bool) -> None:
        """Note whether the lease is ours, as Redis responded to a request sent at `asked` (`uptime`).

        The lease counts from the request: Redis counts it from before its response, and the process may have been
        stopped since.
        """
        if ours:
            self._renewed = max(self._renewed, asked)
        else:
            self._lost = True

    def check(self) -> None:
        """Raise LeaseLost unless the lease is certainly ours at this moment."""
        if self._lost or uptime() - self._renewed > self._lease:
            raise LeaseLost("the lease expired during the work")

    def __enter__(self) -> Self:
        self._renewed = uptime()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
