"""Documents as leaves: the path and the value of each, and other values that a leaf could have."""

from __future__ import annotations

import re
from copy import copy
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

Path = tuple[str | int, ...]
#: A position in a list, and a key that is an id, is written as this.
ANY: Final = "[]"
_TIME: Final = re.compile(r"\d{2}:\d{2}")
_DAY: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})(.*)", re.DOTALL)


def leaves(document: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the path and value of each leaf: every value that is neither an object nor a list, and every empty one."""
    if document and isinstance(document, dict):
        for key, value in document.items():
            yield from leaves(value, (*path, key))
    elif document and isinstance(document, (list, tuple)):
        for n, value in enumerate(document):
            yield from leaves(value, (*path, n))
    else:
        yield path, document


def filled(document: Any) -> Iterator[tuple[Path, Any]]:
    """Yield the leaves that are no empty object or list."""
    return ((path, value) for path, value in leaves(document) if value not in ({}, [], ()))


def written(path: Path) -> str:
    """Return a path as text, such as "items[].offer.article". All positions of a list have the same text."""
    text = "".join(ANY if isinstance(step, int) or step.isdecimal() else f".{step}" for step in path)
    return text.removeprefix(".")


def replaced(document: Any, path: Path, value: Any) -> Any:
    """Return a copy of the document with another value at `path`; the parts beside it are those of the document."""
    if not path:
        return value
    whole = copy(document)
    whole[path[0]] = replaced(document[path[0]], path[1:], value) if path[1:] else value
    return whole


def other_values(value: Any) -> Iterator[Any]:
    """Yield values that a leaf could have instead, the most likely to be valid first."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, (int, Decimal)):
        yield value + 1
    elif isinstance(value, str):
        yield from _other_texts(value)
    elif isinstance(value, datetime):
        yield value + timedelta(days=1)
    elif value is None:
        yield from ("x", 1, True)
    yield None


def _other_texts(text: str) -> Iterator[str]:
    if match := _DAY.fullmatch(text):
        day = date(int(match[1]), int(match[2]), int(match[3])) + timedelta(days=1)
        yield f"{day}{match[4]}"
    elif _TIME.fullmatch(text):
        yield f"{(int(text[:2]) + 1) % 24:02}{text[2:]}"
    else:
        try:
            yield f"{Decimal(text) + 1:f}"
        except InvalidOperation:
            yield f"{text}x"
