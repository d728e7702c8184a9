"""References in a target's own alphabet, written so that they can be read back."""

from __future__ import annotations

import re


def encode(reference: str, alphabet: str | None) -> str:
    """Write `reference` with the characters of `alphabet` (a character class) and "_"; None: all characters will do.

    A character that is not in the alphabet becomes "_" and two hex digits for each of its bytes, "_" itself becomes
    "__", so no two references ever become one.
    """
    if alphabet is None:
        return reference
    plain = re.compile(f"[{alphabet}]")
    return "".join(_written(character, plain) for character in reference)


def decode(text: str, alphabet: str | None) -> str:
    """What `encode` was given; text that it cannot have written comes back as it is."""
    if alphabet is None:
        return text
    try:
        read = re.sub(rb"_(_|[0-9A-F]{2})", _read, text.encode()).decode()
    except UnicodeError:
        return text
    return read if encode(read, alphabet) == text else text


def _written(character: str, plain: re.Pattern[str]) -> str:
    if character == "_":
        return "__"
    if plain.fullmatch(character):
        return character
    return "".join(f"_{byte:02X}" for byte in character.encode())


def _read(escape: re.Match[bytes]) -> bytes:
    what = escape[1]
    return b"_" if what == b"_" else bytes([int(what, 16)])
