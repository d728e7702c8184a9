"""Reading a page that one record makes unreadable: in smaller pages, down to the record alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, Self, TypeVar

from worker.errors import Unavailable
from worker.http.client import TooLarge
from worker.jsontext.cutting import first_record

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from worker.jsontext.fragments import Fragment

T = TypeVar("T")
#: How far behind a record that cannot be read another one is searched for that can.
_AHEAD: Final = tuple(1 << n for n in range(8))


class Position(Protocol):
    """The next page of a list: `PagePosition` or `ListPosition`."""

    @property
    def skip(self) -> int:
        """The rows before the page."""

    @property
    def proof(self) -> int:
        """A row that could be read while others could not."""

    def size(self, usual: int, /) -> int:
        """Return the number of rows to request."""

    def smaller(self, usual: int, /) -> Self:
        """Return the position with at most half of the rows."""

    def model_copy(self, *, update: dict[str, Any]) -> Self:
        """Return the position with these fields."""


P = TypeVar("P", bound=Position)


def read_rows(  # noqa: PLR0913  # a position, and how to read there
    position: P,
    usual: int,
    ask: Callable[[int, int], T],
    lone: Callable[[Fragment], T],
    key: str,
    *,
    note: Callable[[P], None] = lambda _: None,
) -> tuple[T, P]:
    """Return the page at a position, and the position with the size that could be read.

    `ask` reads a page: the rows to skip, and how many to return. A page that is larger than `max_bytes`, or not JSON
    and cannot be cut, is read again with half of its rows, and so on. For a single row that cannot be read, `lone`
    makes the page of its Fragment, but only while a row behind it, or the end of the list, can be read: otherwise the
    account may be at fault, and the first error is raised. What is not even the beginning of JSON, such as a web page,
    is never the fault of a record. See `first_record` for the `key`. `note` is called with each position of a smaller
    page, where an interrupted call continues.
    """
    first: Unavailable | TooLarge | None = None
    while True:
        size = position.size(usual)
        try:
            return ask(position.skip, size), position
        except (Unavailable, TooLarge) as error:
            if not may_be_a_record(error):
                raise
            first = first or error
        if size == 1:
            break
        position = position.smaller(usual)
        note(position)
    proof = _readable(position, ask)
    if proof is None:
        raise first
    position = position.model_copy(update={"proof": proof})
    note(position)
    try:
        return ask(position.skip, 1), position
    except (Unavailable, TooLarge) as error:
        if not may_be_a_record(error):
            raise
        reason = f"record {position.skip + 1} of the list cannot be read, even alone: {error}"
        return lone(first_record(error.text, key, reason)), position


def _readable(position: Position, ask: Callable[[int, int], object]) -> int | None:
    """Return a row behind the position that can be read; it may be behind the end of the list."""
    known: list[int] = [position.proof] if position.proof > position.skip else []
    for row in [*known, *(position.skip + ahead for ahead in _AHEAD)]:
        try:
            ask(row, 1)
        except (Unavailable, TooLarge) as error:
            if not may_be_a_record(error):
                raise
        else:
            return row
    return None


def may_be_a_record(error: Unavailable | TooLarge) -> bool:
    """Return whether the answer began like JSON."""
    return error.text.lstrip("\ufeff \t\r\n").startswith(("{", "["))
