"""Telephone numbers as two integers: the country's calling code, then the number within it."""

from __future__ import annotations

import re
from typing import Final

import phonenumbers

#: The most digits of both together (ITU-T E.164).
_MOST_DIGITS: Final = 15


def split(text: str, country: str | None = None) -> tuple[int, int] | None:
    """Both parts of a number, or None where they cannot be told for certain, or an integer would lose some of it.

    A number without a calling code is one of `country` (ISO 3166-1 alpha-2), if it is a valid one there.
    """
    try:
        read = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    prefix, number = read.country_code, read.national_number
    # A zero that belongs to the number (Italy), or an extension, has no place in an integer.
    if prefix is None or number is None or read.italian_leading_zero or read.extension:
        return None
    written = f"{prefix}{number}"
    # As it is written after a "+" it needs no opinion of ours on which numbers exist.
    as_it_is = text.lstrip().startswith("+") and re.sub(r"\D", "", text) == written
    if len(written) > _MOST_DIGITS or not (as_it_is or phonenumbers.is_valid_number(read)):
        return None
    return prefix, number
