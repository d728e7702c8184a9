"""The one decoder of the JSON that others send: msgspec, and for what it refuses a more tolerant one."""

from __future__ import annotations

import re
from contextlib import suppress
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import simplejson

if TYPE_CHECKING:
    from collections.abc import Callable

#: The most digits before or after the point of a number: written out, 1E+999999999 would fill the memory.
_DIGITS: Final = 400


def _fraction(text: str) -> Decimal:
    """Return the number. Raise ValueError if it is none that anybody means."""
    try:
        number = Decimal(text)
    except ArithmeticError:
        raise ValueError("a number out of range") from None
    if not -_DIGITS < number.adjusted() < _DIGITS:
        raise ValueError("a number out of range")
    return number


_DECODER: Final = simplejson.JSONDecoder(parse_float=_fraction)
#: Any escape of a text; groups: a whole pair, and a half.
_ESCAPE: Final = re.compile(
    r"\\(?:(u[dD][89aAbB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_HALF: Final = re.compile(r"\\u[dD][89a-fA-F]")

#: The most lists and objects inside each other: what comes later goes down into them. Where decoders give up depends on
#: the version of Python: from 3.14 on they take as much as the stack holds.
DEPTH: Final = 200
_NO_BRACKETS: Final = bytes(set(range(256)) - {*b"[]{}"})


def value_at(text: str, position: int) -> tuple[Any, int]:
    """Decode the JSON value at a position of a text. Return the value and where it ends."""
    value, end = _DECODER.raw_decode(text, position)
    return _not_deep(value), end


def _not_deep(value: Any) -> Any:
    """Return the value. Raise ValueError if it is nested too deep."""
    level = [value]
    for _ in range(DEPTH + 1):
        nested = [each for each in level if isinstance(each, dict | list)]
        if not nested:
            return value
        level = [child for each in nested for child in (each.values() if isinstance(each, dict) else each)]
    raise ValueError("nested too deep")


def _may_be_deep(body: bytes) -> bool:
    """Return whether the brackets, also those in texts, leave the depth open: cheaper than a look into every value."""
    left = body.translate(None, _NO_BRACKETS)
    for _ in range(DEPTH // 2):  # each turn closes two levels at most
        fewer = left.replace(b"[]", b"").replace(b"{}", b"")
        if len(fewer) == len(left):
            break
        left = fewer
    return bool(left)


def decode(body: bytes, only: type | None = None) -> Any:
    """Return the value of a JSON text, with Decimal for fractions. Raise ValueError if it is not JSON.

    `only` is a TypedDict: keys that it does not name are skipped, unless the value has another shape than it.

    Half of a surrogate pair, which JSON can escape and no text can hold, becomes U+FFFD: here, for all that arrives.
    """
    if only is not None and not _may_be_deep(body):
        with suppress(ValueError, RecursionError):
            return _strict(only)(body)
    try:
        value = _strict()(body)
    except (ValueError, RecursionError):  # the tolerant decoder decides, and names the reason
        return decode_text(mended(body.decode("utf-8-sig")))
    return _not_deep(value) if _may_be_deep(body) else value


@cache
def _strict(only: Any = Any) -> Callable[[bytes], Any]:
    """Return the fast decoder, whose values are those of the tolerant one; a command that reads no JSON loads none."""
    import msgspec

    return msgspec.json.Decoder(only, float_hook=_fraction).decode


def decode_text(text: str) -> Any:
    """Return the value of a JSON text as it is. Raise ValueError if it is not JSON, or nested too deep."""
    try:
        return _not_deep(_DECODER.decode(text))
    except RecursionError:
        raise ValueError("nested too deep") from None


def mended(text: str) -> str:
    """Return the JSON text with U+FFFD for each escaped half of a surrogate pair."""
    if _HALF.search(text) is None:
        return text
    return _ESCAPE.sub(lambda escape: r"\ufffd" if escape[2] else escape[0], text)
