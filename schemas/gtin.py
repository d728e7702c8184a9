"""GTINs, the numbers of goods that EANs and UPCs are (GS1 General Specifications)."""

from __future__ import annotations

from typing import Final

_LENGTHS: Final = frozenset({8, 12, 13, 14})


def is_gtin(digits: str) -> bool:
    """Return whether the text is a GTIN: it has its length, and its last digit is the check digit of the others."""
    if len(digits) not in _LENGTHS or not (digits.isascii() and digits.isdecimal()):
        return False
    numbers = [*map(int, reversed(digits))]
    return (sum(numbers[::2]) + 3 * sum(numbers[1::2])) % 10 == 0
