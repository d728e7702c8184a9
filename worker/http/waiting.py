"""How long a task waits for another system: noted while its calls are under way, for the thread that watches it."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextvars import Token


class Waiting:
    """The calls of one task, one at a time in each of its threads: entered with a call, and left when it has ended."""

    __slots__ = ("_since", "longest")

    def __init__(self) -> None:
        #: Since when the call of each thread has been under way.
        self._since: dict[int, float] = {}
        #: Seconds of the longest call that has ended.
        self.longest = 0.0

    def __enter__(self) -> None:
        self._since[threading.get_ident()] = time.monotonic()

    def __exit__(self, *_: object) -> None:
        now = time.monotonic()
        self.longest = max(self.longest, now - self._since.pop(threading.get_ident(), now))

    def seconds(self) -> float:
        """Return for how many seconds the oldest call has been under way; 0 if there is none."""
        return time.monotonic() - min(since) if (since := list(self._since.values())) else 0.0


#: The waiting of the task that runs in this context; nobody looks at that of other code.
WAITING: Final[ContextVar[Waiting]] = ContextVar("waiting", default=Waiting())  # noqa: B039  # never looked at


@contextmanager
def watch_waiting(waiting: Waiting) -> Iterator[None]:
    """Note the calls of this context in `waiting`."""
    token: Token[Waiting] = WAITING.set(waiting)
    try:
        yield
    finally:
        WAITING.reset(token)
