"""JSON that is sent to others; and JSON of any value: a record that could not be read is kept as text."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import simplejson

if TYPE_CHECKING:
    from collections.abc import Callable

#: Levels, items of one level, and digits of a whole number that are kept of a record that has no JSON.
_DEPTH: Final = 40
_ITEMS: Final = 1000
_DIGITS: Final = 1000
_ENCODER: Final = simplejson.JSONEncoder(use_decimal=True, separators=(",", ":"))


def ascii_json(document: object) -> bytes:
    """Return JSON in ASCII, which no server misreads, with Decimals as exact numbers. Raise ValueError or TypeError."""
    with suppress(ValueError, TypeError):
        body = _encode()(document)
        if body.isascii():
            return body
    return str(_ENCODER.encode(document)).encode()


@cache
def _encode() -> Callable[[object], bytes]:
    """Return the fast encoder, which does not escape; a command that sends no JSON loads none."""
    import msgspec

    return msgspec.json.Encoder(decimal_format="number").encode


def text_of(raw: object) -> str:
    """Return a record as JSON, and a text unchanged. What JSON cannot hold is replaced by its description."""
    if isinstance(raw, str):
        return raw
    try:
        return simplejson.dumps(raw, use_decimal=True, ensure_ascii=False)
    except (ValueError, TypeError, ArithmeticError, RecursionError):
        return simplejson.dumps(_plain(raw, _DEPTH), use_decimal=True, ensure_ascii=False)


def _plain(value: Any, depth: int) -> Any:
    """Return a value that has a JSON, and at most `depth` levels."""
    match value:
        case dict() | list() | tuple() if not depth:
            return "<nested deeper>"
        case dict():
            return {_key(key): _plain(value[key], depth - 1) for key in list(value)[:_ITEMS]}
        case list() | tuple():
            return [_plain(item, depth - 1) for item in value[:_ITEMS]]
        case None | bool() | str():
            return value
        case int():
            return value if value.bit_length() < 3 * _DIGITS else f"<a number of {value.bit_length()} bits>"
    return str(value) if isinstance(value, (float, Decimal)) else f"<{type(value).__name__}>"


def _key(key: object) -> str:
    return key if isinstance(key, str) else str(_plain(key, 0))
