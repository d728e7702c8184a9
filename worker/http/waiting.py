"""How long a task waits for another system: noted while its call is under way, for the thread that watches the task."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextvars import Token


class Waiting:
    """The calls of one task: entered with each call, and left when it has ended."""

    __slots__ = ("_since", "longest")

    def __init__(self) -> None:
        self._since: float | None = None
        #: Seconds of the longest call that has ended.
        self.longest = 0.0

    def __enter__(self) -> None:
        self._since = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.longest = max(self.longest, self.seconds())
        self._since = None

    def seconds(self) -> float:
        """Return for how many seconds the current call has been under way; 0 if there is none."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since


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
