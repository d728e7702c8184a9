"""Builds models from what another system sent, and names the field that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from worker.errors import Malformed, Unavailable, Uncertain
from worker.jsontext.encoding import text_of
from worker.jsontext.fragments import Fragment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


def parse(subject: str, build: Callable[[], T], error: type[Malformed | Unavailable | Uncertain] = Malformed) -> T:
    """Build a model. Turn its first validation failure into `error`, with the subject and the field but not the value.

    A record that cannot be read is Malformed. A response that cannot be read is as good as none: Unavailable for a
    read, Uncertain for a write.
    """
    try:
        return build()
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_context=False, include_input=False)[0]
    # Raised outside of the except block, so that the error that holds the value is not its context.
    field = path(first["loc"])
    message = f"{subject}: {field or 'the whole'}: {first['type']}"
    raise Malformed(message, field) if issubclass(error, Malformed) else error(message)


def objects(items: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the items of a list of records; one that is no object becomes a Fragment, and hides no other."""
    return [
        item if isinstance(item, dict) else Fragment({}, "the whole: not an object", text=text_of(item))
        for item in items
    ]


def path(loc: tuple[int | str, ...]) -> str:
    """Write a location as `items[3].quantity`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")
