"""The differences between an order and what a transform makes of it, value by value."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.order import Order


class Change(NamedTuple):
    """The path of a value in an order (`lines[0].sku`), and the value on both sides as JSON; "" where it is missing."""

    field: str
    before: str
    after: str


def differences(before: Order, after: Order) -> tuple[Change, ...]:
    """Return every value that differs, in the order of the fields."""
    if before == after:
        return ()
    old, new = (dict(_leaves("", json.loads(order.model_dump_json()))) for order in (before, after))
    paths = dict.fromkeys([*old, *new])
    return tuple(Change(path, old.get(path, ""), new.get(path, "")) for path in paths if old.get(path) != new.get(path))


def _leaves(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield the path and the JSON of each value that is no object or list, or an empty one."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(f"{path}.{name}".lstrip("."), inner)
    elif isinstance(value, list) and value:
        for number, inner in enumerate(value):
            yield from _leaves(f"{path}[{number}]", inner)
    else:
        yield path, json.dumps(value, ensure_ascii=False)
