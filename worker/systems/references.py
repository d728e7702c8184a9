"""References in the alphabet and the length of a target, escaped so that they can be read back."""

from __future__ import annotations

import re
from base64 import b32encode
from hashlib import blake2b
from typing import Final

#: A digest of the whole at the end of a reference that is too long. No escape begins like that; "__" is an underscore.
_DIGEST: Final = re.compile(r"(?<!_)((?:__)*)_h[a-z2-7]{26}$")
_DIGEST_LENGTH: Final = 28


def encode(reference: str, alphabet: str | None, longest: int | None = None) -> str:
    """Write `reference` with the characters of `alphabet` (a character class) and "_". None allows all characters.

    A character outside of the alphabet becomes "_" and two hex digits for each of its bytes, "_" becomes "__". So two
    references never become the same text. Of a text with more than `longest` characters the beginning is kept, with a
    digest of 128 bits of the whole.
    """
    if alphabet is None:
        if longest is None or len(reference) <= longest:
            return reference
        escapes = list(reference)
    else:
        allowed = re.compile(f"[{alphabet}]")
        escapes = [_escape(character, allowed) for character in reference]
    text = "".join(escapes)
    if longest is None or len(text) <= longest:
        return text
    digest = b32encode(blake2b(reference.encode(), digest_size=16).digest()).decode().lower().rstrip("=")
    while sum(map(len, escapes)) > longest - _DIGEST_LENGTH:
        escapes.pop()
    return f"{''.join(escapes)}_h{digest}"


def decode(text: str, alphabet: str | None) -> str:
    """Return the reference that `encode` wrote. Text that it cannot have written is returned unchanged.

    Of a reference that was too long, its beginning is returned.
    """
    if alphabet is None:
        return text
    text = _DIGEST.sub(r"\1", text)
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
