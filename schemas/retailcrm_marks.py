"""The marks of our lines in RetailCRM (`items[].externalIds`), by which orders of others are told apart."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from schemas.order import Order

#: The code of our marks.
MARK: Final = "intake"
#: A longer line key is shortened in the mark of the line, with a digest of the whole.
_LONGEST_KEY: Final = 100


def seal_of(order: Order) -> str:
    """Return the text with which the marks of the order's lines begin: it tells which order they were written for."""
    return blake2b(order.key.encode(errors="surrogatepass"), digest_size=6).hexdigest()


def mark_of(order: Order, key: str) -> str:
    """Return the mark of a line by its key (see `schemas.changes.line_keys`)."""
    if len(key) > _LONGEST_KEY:
        digest = blake2b(key.encode(errors="surrogatepass"), digest_size=8).hexdigest()
        key = f"{key[: _LONGEST_KEY - len(digest)]}{digest}"
    return f"{seal_of(order)}:{key}"


def extra_mark(order: Order, name: str) -> str:
    """Return the mark of a line for an amount without a field ("Fees"). No key of a line has such a mark."""
    return f"{seal_of(order)}+{name.lower()}"
