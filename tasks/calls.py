"""Calls at once: each in a thread of its own, no more of them than a width, and never two that share a key."""

from __future__ import annotations

import queue
import threading
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextvars import Context

J = TypeVar("J")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Ended(Generic[J, R]):
    """A call that has ended, with what `make` returned, or with the error that it raised."""

    job: J
    keys: frozenset[str]
    result: R | None
    error: BaseException | None = None


class Calls(Generic[J, R]):
    """The calls of one run, each of which is `make(job)` in a copy of the context in which it began.

    All methods but `interrupt` are called by one thread. With a width of 1, that thread makes the call itself.
    """

    def __init__(self, make: Callable[[J], R]) -> None:
        self._make = make
        self._jobs: queue.SimpleQueue[tuple[Context, J, frozenset[str]] | None] = queue.SimpleQueue()
        self._ended: queue.SimpleQueue[Ended[J, R] | None] = queue.SimpleQueue()
        self._threads: list[Any] = []
        self._keys: set[str] = set()
        #: The most calls at once. A smaller one ends no call that is under way.
        self.width = 1
        #: The calls that began, and whose end nobody has taken yet.
        self.under_way = 0

    @property
    def room(self) -> int:
        """The number of calls that may begin now."""
        return max(0, self.width - self.under_way)

    def begin(self, job: J, keys: Iterable[str]) -> bool:
        """Begin a call, and return True; return False if there is no room, or a call with one of its keys."""
        own = frozenset(keys)
        if not self.room or not self._keys.isdisjoint(own):
            return False
        self._keys |= own
        self.under_way += 1
        if self.width == 1:
            self._ended.put(self._run(job, own))
            return True
        if len(self._threads) < self.under_way:
            thread = threading.Thread(target=self._work, name=f"call-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._jobs.put((copy_context(), job, own))
        return True

    def take(self, timeout: float) -> list[Ended[J, R]]:
        """Return the calls that have ended; wait up to `timeout` seconds for the first one, if any is under way.

        `interrupt` ends the wait. Raise what is no Exception, such as KeyboardInterrupt, at once.
        """
        taken: list[Ended[J, R]] = []
        while self.under_way:
            try:
                ended = self._ended.get(timeout=timeout) if timeout > 0 and not taken else self._ended.get_nowait()
            except queue.Empty:
                break
            if ended is None:
                break
            self.under_way -= 1
            self._keys -= ended.keys
            if ended.error is not None and not isinstance(ended.error, Exception):
                raise ended.error
            taken.append(ended)
        return taken

    def interrupt(self) -> None:
        """Let a `take` that waits return now, or else the next one. Any thread may call this."""
        self._ended.put(None)

    def _run(self, job: J, keys: frozenset[str]) -> Ended[J, R]:
        try:
            return Ended(job, keys, self._make(job))
        except BaseException as error:  # noqa: BLE001  # the thread that takes it decides
            return Ended(job, keys, None, error)

    def _work(self) -> None:
        while (begun := self._jobs.get()) is not None:
            context, job, keys = begun
            self._ended.put(context.run(self._run, job, keys))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for the calls that are under way, and end the threads."""
        while self.under_way:
            self.under_way -= self._ended.get() is not None
        for _thread in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()
