"""References in the alphabet of a target, escaped so that they can be read back."""

from __future__ import annotations

import re


def encode(reference: str, alphabet: str | None) -> str:
    """Write `reference` with the characters of `alphabet` (a character class) and "_". None allows all characters.

    A character outside of the alphabet becomes "_" and two hex digits for each of its bytes, "_" becomes "__". So two
    references never become the same text.
    """
    if alphabet is None:
        return reference
    allowed = re.compile(f"[{alphabet}]")
    return "".join(_escape(character, allowed) for character in reference)


def decode(text: str, alphabet: str | None) -> str:
    """Return the reference that `encode` wrote. Text that it cannot have written is returned unchanged."""
    if alphabet is None:
        return text
    try:
        reference = re.sub(rb"_(_|[0-9A-F]{2})", _unescape, text.encode()).decode()
    except UnicodeError:
        return text
    return reference if encode(reference, alphabet) == text else text


def _escape(character: str, allowed: re.Pattern[str]) -> str:
    if character == "_":
        return "__"
    if allowed.fullmatch(character):
        return character
    return "".join(f"_{byte:02X}" for byte in character.encode())


def _unescape(escape: re.Match[bytes]) -> bytes:
    code = escape[1]
    return b"_" if code == b"_" else bytes([int(code, 16)])
