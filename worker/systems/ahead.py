"""What an adapter can have done ahead: the calls of a page at once, and the next page before this one is complete.

The adapter stays a sequence of calls: who runs it may make some of them earlier, in threads (see `tasks/pages.py`).
Without such a runner, each call is made when its turn comes.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")
R = TypeVar("R")


class Ahead(Protocol):
    """Makes calls of an adapter ahead."""

    def announce(self, cursor: str) -> None:
        """Note that the page behind the one that is fetched begins at `cursor`, unless that page itself denies it."""

    def each(self, call: Callable[[T], R], items: Sequence[T]) -> Iterator[Callable[[], R]]:
        """Yield for each item, in their order, what returns `call(item)` or raises its error."""


_AHEAD: Final[ContextVar[Ahead | None]] = ContextVar("ahead", default=None)


@contextmanager
def run_ahead(ahead: Ahead) -> Iterator[None]:
    """Let `ahead` make calls of the adapter that is called in this block."""
    token = _AHEAD.set(ahead)
    try:
        yield
    finally:
        _AHEAD.reset(token)


def announce_page(cursor: str) -> None:
    """Announce the cursor of the page behind this one, as soon as it is known or probable.

    That page may be fetched at once. What was fetched counts only if this page ends with exactly this cursor.
    """
    if (ahead := _AHEAD.get()) is not None:
        ahead.announce(cursor)


def calls_for(call: Callable[[T], R], items: Sequence[T]) -> Iterator[Callable[[], R]]:
    """Yield for each item, in their order, what returns `call(item)` or raises its error.

    Some calls of later items may be made by then. They must not depend on each other, nor note steps (`steps.py`).
    """
    ahead = _AHEAD.get()
    if ahead is None:
        yield from (partial(call, item) for item in items)
    else:
        yield from ahead.each(call, items)
