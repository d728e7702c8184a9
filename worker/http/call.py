"""One call: its deadline, and what happens right before its first byte and after its last one."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextvars import Token


class OversizedError(ValueError):
    """A body is larger than it may be; `beginning` is its first part."""

    def __init__(self, beginning: bytes) -> None:
        super().__init__("a body is larger than allowed")
        self.beginning = beginning


class Call:
    """A call, active in this thread while its `with` block runs.

    Args:
        seconds: Most seconds from now to the last byte of the response, without those of `depart`.
        depart: Called once the connection is open: waits until the first byte may be sent, and returns what to call
            after the last one. Its error stops the call.
        before_sending: Called right before the first byte. Its error stops the call.
    """

    __slots__ = ("_before_sending", "_depart", "_end", "_sent", "_since", "_token", "began")

    def __init__(
        self,
        seconds: float,
        depart: Callable[[], Callable[[], None] | None],
        before_sending: Callable[[], None] | None = None,
    ) -> None:
        self._since = time.monotonic()
        self._end = self._since + seconds
        self._depart, self._before_sending = depart, before_sending
        self._sent: Callable[[], None] | None = None
        #: Whether a byte of the request may have reached the other side.
        self.began = False

    def __enter__(self) -> Self:
        self._token: Token[Call] = CALL.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        CALL.reset(self._token)
        if (measured := _MEASURED.get()) is not None:
            measured.append(time.monotonic() - self._since)

    def left(self) -> float:
        """Return the seconds left, more than 0. Raise TimeoutError if none are left."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left

    def depart(self) -> float:
        """Wait until the first byte may be sent, and return the seconds, which do not count towards the deadline."""
        before = time.monotonic()
        self._sent = self._depart()
        waited = time.monotonic() - before
        self._end += waited
        self._since += waited
        return waited

    def begin(self) -> None:
        """Run the check before the first byte, and note that sending begins."""
        if self._before_sending is not None:
            self._before_sending()
        self.left()
        self.began = True

    def end_sending(self) -> None:
        """Note that the whole request has been sent."""
        if self._sent is not None:
            self._sent()


_MEASURED: Final[ContextVar[list[float] | None]] = ContextVar("measured", default=None)


@contextmanager
def measure_calls() -> Iterator[list[float]]:
    """Yield a list to which each call of this block adds its seconds, without those that it waited for a limit."""
    seconds: list[float] = []
    token = _MEASURED.set(seconds)
    try:
        yield seconds
    finally:
        _MEASURED.reset(token)


#: The call of this thread.
CALL: Final[ContextVar[Call]] = ContextVar("call")
