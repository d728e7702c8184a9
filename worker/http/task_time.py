"""The time that a task has for its calls: after it no call begins, and the next task continues."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import TYPE_CHECKING, Final

from worker.errors import OutOfTime

if TYPE_CHECKING:
    from collections.abc import Iterator

#: When no call begins any more (`monotonic`); None: calls may begin at any time.
_END: Final[ContextVar[float | None]] = ContextVar("end_of_calls", default=None)


def end_calls_in(seconds: float | None) -> None:
    """Allow no call of this thread to begin after `seconds`; None allows calls at any time."""
    _END.set(None if seconds is None else monotonic() + seconds)


@contextmanager
def time_for_calls(seconds: float) -> Iterator[None]:
    """Allow no call of this block to begin after `seconds`."""
    token = _END.set(monotonic() + seconds)
    try:
        yield
    finally:
        _END.reset(token)


def is_over() -> bool:
    """Return whether no call may begin any more."""
    end = _END.get()
    return end is not None and monotonic() > end


def check_time() -> None:
    """Raise OutOfTime if no call may begin any more."""
    if is_over():
        raise OutOfTime("the time of the task is over")
