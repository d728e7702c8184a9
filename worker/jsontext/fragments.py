"""A record that is not JSON, and the fields that can be recognized in it."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from worker.jsontext.decoding import value_at
from worker.jsontext.spans import end_of_value

#: A byte that is not UTF-8, as Python decodes it with "surrogateescape".
BAD_BYTE: Final = re.compile("[\udc80-\udcff]")
_KEY: Final = re.compile(r'[ \t\r\n,]*"([^"\\\x00-\x1f]{1,80})"[ \t\r\n]*:[ \t\r\n]*')
#: The next key behind a value that cannot be read.
_NEXT_KEY: Final = re.compile(r',(?=[ \t\r\n]*"[^"\\\x00-\x1f]{1,80}"[ \t\r\n]*:)')
_END: Final = re.compile(r"[ \t\r\n]*(?:\}|$)")
#: The most keys that are recognized, and characters of the text that are kept.
_KEYS: Final = 500
_KEPT: Final = 2**17


class Fragment(dict[str, Any]):
    """A record that is not JSON: the fields that could be recognized, why and at which field it fails, and its text."""

    def __init__(self, fields: dict[str, Any], reason: str, field: str = "", text: str = "") -> None:
        super().__init__(fields)
        self.reason, self.field, self.text = reason, field, text


def fragment_of(item: str, reason: str) -> Fragment:
    """Return the Fragment of a text that is not JSON. The first field that cannot be read is named."""
    fields, field, _ = recognize(item)
    message = f"{field or 'the whole'}: not JSON: {reason}"
    return Fragment(fields, message, field, BAD_BYTE.sub("\ufffd", item[:_KEPT]))


class Recognized(NamedTuple):
    """The fields of a broken object that can be read, the first key whose value cannot, and all keys."""

    fields: dict[str, Any]
    broken: str
    keys: list[str]


def recognize(item: str) -> Recognized:
    """Return what can be recognized in a broken object."""
    fields: dict[str, Any] = {}
    keys: list[str] = []
    broken, pos = "", 1
    for _ in range(_KEYS):
        if (key := _KEY.match(item, pos)) is None:
            pos = _next_key(item, pos)
        else:
            keys.append(key[1])
            pos = _field(item, key, fields)
            if pos > 0 and _END.match(item, pos):
                break
            if pos < 0:
                broken = broken or key[1]
                behind = end_of_value(item, key.end(), ",}")
                pos = behind if behind > 0 else _next_key(item, key.end())
        if pos < 0:
            break
    return Recognized(fields, broken, keys)


def _field(item: str, key: re.Match[str], fields: dict[str, Any]) -> int:
    """Add the value of the key to the fields, and return where it ends; -1 if it cannot be read."""
    try:
        value, end = value_at(item, key.end())
    except (ValueError, RecursionError):
        return -1
    if BAD_BYTE.search(item, key.start(), end) or end_of_value(item, key.end(), ",}") < 0:
        return -1
    fields.setdefault(key[1], value)
    return end


def _next_key(item: str, pos: int) -> int:
    match = _NEXT_KEY.search(item, pos)
    return match.end() if match else -1
