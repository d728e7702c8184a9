"""Telephone numbers as two integers: the country's calling code, then the number within it."""

from __future__ import annotations

import re
from typing import Final

import phonenumbers

#: The most digits of both parts together (ITU-T E.164).
_MOST_DIGITS: Final = 15


def split(text: str, country: str | None = None) -> tuple[int, int] | None:
    """Return both parts of a number; None if they are not certain, or if two integers cannot hold the number.

    A number without a calling code belongs to `country` (ISO 3166-1 alpha-2), if it is valid there.
    """
    try:
        parsed = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    prefix, number = parsed.country_code, parsed.national_number
    # An integer cannot hold a leading zero that belongs to the number (Italy), or an extension.
    if prefix is None or number is None or parsed.italian_leading_zero or parsed.extension:
        return None
    written = f"{prefix}{number}"
    # A number that is written with "+" is split unambiguously, whether the library knows it or not.
    unambiguous = text.lstrip().startswith("+") and re.sub(r"\D", "", text) == written
    if len(written) > _MOST_DIGITS or not (unambiguous or phonenumbers.is_valid_number(parsed)):
        return None
    return prefix, number
