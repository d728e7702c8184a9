"""The one decoder of the JSON that others send: msgspec, and for what it refuses a more tolerant one."""

from __future__ import annotations

import re
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

#: Decode the JSON value at a position of a text. Return the value and where it ends.
value_at: Final[Callable[[str, int], tuple[Any, int]]] = _DECODER.raw_decode


def decode(body: bytes) -> Any:
    """Return the value of a JSON text, with Decimal for fractions. Raise ValueError if it is not JSON.

    Half of a surrogate pair, which JSON can escape and no text can hold, becomes U+FFFD: here, for all that arrives.
    """
    try:
        return _strict()(body)
    except (ValueError, RecursionError):  # the tolerant decoder decides, and names the reason
        return decode_text(mended(body.decode("utf-8-sig")))


@cache
def _strict() -> Callable[[bytes], Any]:
    """Return the fast decoder, whose values are those of the tolerant one; a command that reads no JSON loads none."""
    import msgspec

    return msgspec.json.Decoder(float_hook=_fraction).decode


def decode_text(text: str) -> Any:
    """Return the value of a JSON text as it is. Raise ValueError if it is not JSON, or nested too deep."""
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def mended(text: str) -> str:
    """Return the JSON text with U+FFFD for each escaped half of a surrogate pair."""
    if _HALF.search(text) is None:
        return text
    return _ESCAPE.sub(lambda escape: r"\ufffd" if escape[2] else escape[0], text)
