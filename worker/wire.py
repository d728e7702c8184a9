"""Says where something that another system sent cannot be read."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import ValidationError

from worker.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Turn the first thing that a model has against `what` into Malformed: the path and the reason, not the value."""
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = path(first["loc"])
    else:
        return
    raise Malformed(f"{what}: {field}: {first['type']}", field)


def path(loc: tuple[int | str, ...]) -> str:
    """A location as people write it: `items[3].quantity`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")
