"""Says where something that another system sent cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from worker.errors import Malformed, Unavailable, Uncertain

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def parse(what: str, build: Callable[[], T], error: type[Malformed | Unavailable | Uncertain] = Malformed) -> T:
    """What `build` makes of `what`; the first thing that a model has against it becomes `error`, without the value.

    One record that cannot be read is Malformed. A whole answer that cannot be read is as good as none: Unavailable for
    a read, Uncertain for a write.
    """
    try:
        return build()
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_context=False, include_input=False)[0]
    # raised out here, where the error that holds what was sent is not its context
    field = path(first["loc"])
    message = f"{what}: {field or 'the whole'}: {first['type']}"
    raise Malformed(message, field) if issubclass(error, Malformed) else error(message)


def path(loc: tuple[int | str, ...]) -> str:
    """A location as people write it: `items[3].quantity`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")
