"""The pages of a poll: those behind the one that is accepted are fetched meanwhile, in threads."""

from __future__ import annotations

import math
import threading
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

from worker.errors import RateLimited
from worker.store.limits.limiter import on_slot
from worker.systems.ahead import run_ahead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from worker.systems.provider import Page

T = TypeVar("T")
R = TypeVar("R")

#: The most pages fetched ahead, and the most calls of one page at once, whatever the limit is.
PAGES: Final = 3
CALLS: Final = 8
#: Pages that were announced wrongly, after which no announcement counts in this run: it would only cost calls.
_WRONG: Final = 3
#: The longest wait until the first call of an announced page has its slot, before the page that announced it goes on.
_FIRST: Final = 0.05
#: The longest wait for a thread at a time: a call ends by itself.
_LONG: Final = 3600.0


class _Call(Generic[R]):
    """A call in a thread of its own, in a copy of the context in which it began."""

    def __init__(self, make: Callable[[], R]) -> None:
        self._make, self._context = make, copy_context()
        self._has_ended, self._ended = False, threading.Event()
        #: Set when a call of it has a slot of the limit, or it has ended.
        self.has_slot = threading.Event()
        self._results: list[R] = []
        self._error: Exception | None = None

    def begin(self) -> Self:
        """Begin the call."""
        thread: Any = threading.Thread(target=self._run, name="ahead", daemon=True)
        thread.start()
        return self

    def _run(self) -> None:
        try:
            self._results.append(self._context.run(self._call))
        except Exception as error:  # noqa: BLE001  # raised by `result`, where somebody waits for it
            self._error = error
        finally:
            self._has_ended = True
            self._ended.set()
            self.has_slot.set()

    def _call(self) -> R:
        with on_slot(self.has_slot.set):
            return self._make()

    def result(self) -> R:
        """Wait for the end of the call; return its result, or raise its error."""
        while not self._has_ended:
            self._ended.wait(_LONG)
        if self._error is not None:
            raise self._error
        return self._results[0]


class Pages:
    """The pages of one run, read in their order.

    While a page is accepted, the next one is fetched, and those that the adapter announces. Nothing else changes: a
    page that was fetched ahead is used only if the page before it ended at its cursor, so the run moves from cursor to
    cursor as if each page was fetched when its turn came. What is not used was read in vain.

    Args:
        fetch: Fetches the page at a cursor.
        may_begin: Returns whether another page may be fetched ahead at this moment.
        rate: The calls of the account that its limit permits in a second. No more than these are made at once: calls
            that wait for the limit hold its slots.
    """

    def __init__(self, fetch: Callable[[str], Page], may_begin: Callable[[], bool], rate: float) -> None:
        self._fetch, self._may_begin = fetch, may_begin
        self._has_limit = rate < math.inf
        self._most, self._calls = (int(max(1, min(most, rate))) for most in (PAGES, CALLS))
        self._begun: dict[str, _Call[Page]] = {}
        #: The page that was announced last, if there was no room for it.
        self._next: str | None = None
        self._wrong = 0
        #: How often the pages fetched ahead proved to be others than those that follow.
        self._round = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()

    def take(self, cursor: str) -> Page:
        """Return the page at `cursor`. Raise what fetching it raises."""
        begun = self._begun.pop(cursor, None)
        if begun is None:
            return self._fetched(cursor)
        if self._next is not None:
            self._begin(self._next)
        try:
            return begun.result()
        except RateLimited:
            return self._fetched(cursor)  # the limit may be open by now

    def follow(self, cursor: str) -> None:
        """Note that the page at `cursor` is the next one, and begin to fetch it unless that is done already."""
        if cursor not in self._begun:
            self._wrong += bool(self._begun)
            self._drop()
        self._begin(cursor)

    def _begin(self, cursor: str) -> None:
        """Begin to fetch the page at `cursor`, or note to do so when there is room for it."""
        if cursor in self._begun or not self._may_begin():
            return
        has_room = len(self._begun) < self._most
        self._next = None if has_room else cursor
        if has_room:
            call = self._begun[cursor] = _Call(partial(self._fetched, cursor))
            call.begin()

    def has(self, cursor: str) -> bool:
        """Return whether the page at `cursor` is fetched already, or being fetched."""
        return cursor in self._begun

    def _drop(self) -> None:
        """Forget the pages that were begun. Those that are being fetched end by themselves, and nobody takes them."""
        self._round += 1
        self._begun.clear()
        self._next = None

    def _fetched(self, cursor: str) -> Page:
        with run_ahead(_Of(self, self._round)):
            return self._fetch(cursor)

    def _announce(self, number: int, cursor: str) -> None:
        """Begin the page that one of this round announced; it takes its slot first, as others will follow it."""
        if number == self._round and self._wrong < _WRONG:
            self._begin(cursor)
            if self._has_limit and (begun := self._begun.get(cursor)) is not None:
                begun.has_slot.wait(_FIRST)

    def _each(self, call: Callable[[T], R], items: Sequence[T]) -> Iterator[Callable[[], R]]:
        if self._calls == 1 or len(items) == 1:
            yield from (partial(call, item) for item in items)
            return
        begun: list[_Call[R]] = []
        for number in range(len(items)):
            begun += [_Call(partial(call, item)).begin() for item in items[len(begun) : number + self._calls]]
            yield partial(_result, begun[number], partial(call, items[number]))


def _result(begun: _Call[R], again: Callable[[], R]) -> R:
    """Return the result of the call; make it again if it found the limit used up: by now it may be open."""
    try:
        return begun.result()
    except RateLimited:
        return again()


class _Of:
    """The calls ahead of one fetch; those of a fetch that proved to be in vain begin no page any more."""

    def __init__(self, pages: Pages, number: int) -> None:
        self._pages, self._number = pages, number

    def announce(self, cursor: str) -> None:
        self._pages._announce(self._number, cursor)  # noqa: SLF001  # a part of `Pages`

    def each(self, call: Callable[[T], R], items: Sequence[T]) -> Iterator[Callable[[], R]]:
        return self._pages._each(call, items)  # noqa: SLF001  # as above
