"""Passwords: what is accepted as one, and the hashes that are kept of them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from typing import Final

#: The fewest and the most characters of a password.
SHORTEST, LONGEST = 12, 256
#: The cost of one hash (RFC 7914): N, r, p. These take 32 MiB and about a quarter of a second.
COST = (2**15, 8, 3)
_SALT_BYTES: Final = 16
#: Hashes that are computed at the same time: each of them needs its memory.
_TURN: Final = threading.BoundedSemaphore(2)


def objection(password: str, name: str) -> str:
    """Return why a text is not accepted as the password of a user; "" if it is accepted."""
    if len(password) < SHORTEST:
        return f"the password has {len(password)} characters, and needs {SHORTEST} or more: three words will do"
    if len(password) > LONGEST:
        return f"the password has {len(password)} characters, and may have at most {LONGEST}"
    if name.casefold() in password.casefold() and len(password) < SHORTEST + len(name):
        return "the password is too similar to the name"
    if len(set(password)) < 5:  # noqa: PLR2004  # "aaaaaaaaaaaa"
        return "the password repeats the same few characters"
    return ""


def hash_password(password: str) -> str:
    """Return the hash to keep of a password, with its salt and its cost."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return "$".join(["scrypt", *map(str, COST), salt.hex(), _derive(password, salt, COST).hex()])


def verify(password: str, kept: str) -> bool:
    """Return whether the password is the one of which `kept` is the hash. It takes as long without a hash ("")."""
    if not kept:
        _derive(password, b"\0" * _SALT_BYTES, COST)
        return False
    _, n, r, p, salt, derived = kept.split("$")
    computed = _derive(password, bytes.fromhex(salt), (int(n), int(r), int(p)))
    return hmac.compare_digest(computed, bytes.fromhex(derived))


def _derive(password: str, salt: bytes, cost: tuple[int, int, int]) -> bytes:
    n, r, p = cost
    text = password[: LONGEST + 1].encode("utf-8", "surrogatepass")
    with _TURN:
        return hashlib.scrypt(text, salt=salt, n=n, r=r, p=p, maxmem=128 * r * (n + p + 2) + 2**20, dklen=32)
