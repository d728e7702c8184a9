"""The bell of a lane: it rings when an order arrives, also while a drain waits for its calls to end."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from typing import TYPE_CHECKING, Final, Self

from worker.errors import StoreFull
from worker.process.stopping import stopping
from worker.store.redis.connection import ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.store.orders.lanes import Lane

#: Seconds from one check of what else ends a wait to the next.
_CHECK: Final = 0.25


class Bell:
    """Wakes the drains of one task, as a context manager.

    While calls are under way, it listens in a thread of its own: an order that arrives does not wait for their end.

    Args:
        lane: The lane.
        pass_on: Called if an order arrives after the end of the block: another task must send it.
    """

    def __init__(self, lane: Lane, pass_on: Callable[[], None]) -> None:
        self._lane, self._pass_on = lane, pass_on
        self._ended, self._rung = threading.Event(), threading.Event()
        self._listens = False
        #: Called, in the thread that listens, whenever an order has arrived.
        self.on_ring: Callable[[], None] = lambda: None

    def listen(self) -> None:
        """Listen from now on."""
        if not self._listens:
            self._listens = True
            threading.Thread(target=self._run, name="bell", daemon=True).start()

    def wait(self, until: float) -> bool:
        """Wait for an order until the time `until` (`time.monotonic`); return whether there may be one."""
        if not self._listens:
            return self._lane.wait(until)
        while (left := until - time.monotonic()) > 0 and not stopping():
            if self._rung.wait(min(_CHECK, left)):
                self._rung.clear()
                return True
        return False

    def _run(self) -> None:
        with contextlib.suppress(StoreFull, *ERRORS):  # the drain meets the same error
            while not self._ended.is_set():
                if not self._lane.wait(math.inf, self._ended.is_set):
                    self._ended.wait(_CHECK)  # another drain waits at the lane, and takes the order
                elif self._ended.is_set():
                    self._pass_on()
                else:
                    self._rung.set()
                    self.on_ring()

    def end(self) -> None:
        """Pass on what arrives from now on. The thread ends within a second."""
        self._ended.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
