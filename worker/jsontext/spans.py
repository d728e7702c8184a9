"""Where a JSON value ends, although it may not be JSON."""

from __future__ import annotations

import re
from typing import Final

from worker.jsontext.decoding import value_at

#: A text, which may hold anything but an unescaped quote; or a bracket; or a quote that opens a text without an end.
_TOKEN: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["{}\[\]]', re.DOTALL)
_WORD: Final = re.compile(r'[^,:{}\[\]" \t\r\n]+')
#: What is passed over between the items of a list: too many commas and closing braces as well.
SKIPPED: Final = re.compile(r"[ \t\r\n,}]*")
_BLANK: Final = re.compile(r"[ \t\r\n]*")
_CLOSING: Final = {"{": "}", "[": "]"}


def end_of_value(text: str, pos: int, follow: str = ",]{}") -> int:
    """Return where the value at `pos` ends; -1 if its brackets do not fit, or none of `follow` comes after it."""
    try:
        end = value_at(text, pos)[1]
    except (ValueError, RecursionError):
        end = _tolerant_end(text, pos)
    if end < 0 or _BLANK.match(text, end).end() == len(text):  # type: ignore[union-attr]  # it matches nothing as well
        return end
    after = text[_BLANK.match(text, end).end()]  # type: ignore[union-attr]  # as above
    return end if after in follow else -1


def _tolerant_end(text: str, pos: int) -> int:
    if word := _WORD.match(text, pos):
        return word.end()
    open_brackets: list[str] = []
    for token in _TOKEN.finditer(text, pos):
        bracket = token[0]
        if bracket in _CLOSING:
            open_brackets.append(_CLOSING[bracket])
        elif bracket == '"' or (bracket in "}]" and (not open_brackets or open_brackets.pop() != bracket)):
            return -1
        if not open_brackets:
            return token.end()
    return -1
