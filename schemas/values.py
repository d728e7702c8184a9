"""The values in an order: amounts, moments, days, ids and texts, each in the one form that Intake keeps."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, WrapValidator

from schemas.countries import country_code

if TYPE_CHECKING:
    from collections.abc import Callable

_ZERO: Final = Decimal(0)
_WHOLE: Final = Decimal(1)
#: The finest amount that is kept: what is finer is the noise of floating-point numbers (29.979999999999997).
_FINEST: Final = Decimal("0.000001")
_DIGITS: Final = 6
#: The types of values in which there is no text to clean.
_BARE: Final = frozenset({bool, int, Decimal})
#: Digits before the point of a usual number: with those behind it, they fit the precision of the default context.
_USUAL_DIGITS: Final = 18
_USUAL_TEXT: Final = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,6})?")
#: Control characters that no text needs: all of C0 but tab and line breaks, and DEL.
_CONTROLS: Final = dict.fromkeys([*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F])


def usual_number(value: object) -> Decimal | None:
    """Return the one form of a number that is written as most are; None for any other value: `Money` reads it.

    This is what `Money` returns for it, at a tenth of the time.
    """
    kind = type(value)
    if kind is int or kind is str or (isinstance(value, Decimal) and value.is_finite()):
        return _usual(value)
    return None


@lru_cache(8192)
def _usual(value: Decimal | int | str) -> Decimal | None:
    """Return the one form of a number; None if it is not usual. Orders hold few different numbers.

    The result depends on the value alone, and not on how it is written: equal values have one entry in the cache.
    """
    if isinstance(value, str) and not _USUAL_TEXT.fullmatch(value):
        return None
    number = Decimal(value)
    if not number:
        return _ZERO
    if number.adjusted() >= _USUAL_DIGITS:
        return None
    return _plain(number if number.as_tuple().exponent >= -_DIGITS else number.quantize(_FINEST, ROUND_HALF_UP))  # type: ignore[operator]


def _money(value: object, read: Callable[[object], Decimal]) -> Decimal:
    number = usual_number(value)
    return _plain(read(_exact(value))) if number is None else number


def _exact(value: object) -> object:
    """Refuse a float before it becomes a Decimal: a float such as 0.1 is not exact. Round a number that is too fine."""
    if isinstance(value, float):
        raise ValueError("an amount must be a Decimal, an int or a string, never a float")  # noqa: TRY004
    if isinstance(value, str) and len(value) > _DIGITS:
        with suppress(InvalidOperation):
            value = Decimal(value)
    if isinstance(value, Decimal) and value.is_finite() and int(value.as_tuple().exponent) < -_DIGITS:
        with suppress(InvalidOperation):  # more digits than Money accepts: refused by that
            return value.quantize(_FINEST, ROUND_HALF_UP)
    return value


def _plain(value: Decimal) -> Decimal:
    """Return the one form of a number, so that 9.90 in a list and 9.9 in a single read have the same fingerprint."""
    if not value:
        return _ZERO
    if value == value.to_integral_value():
        return value.quantize(_WHOLE)
    return value.normalize()


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time before the year 1 or after 9999") from None


#: An amount of money in whole currency units (12.5 = twelve and a half), exact.
Money = Annotated[
    Decimal,
    # First, so that pydantic checks it in compiled code.
    Field(allow_inf_nan=False, max_digits=28),
    WrapValidator(_money),
]
#: A quantity, weight or share: exact like money.
Number = Money
#: A moment, always with a zone, always UTC.
Moment = Annotated[AwareDatetime, AfterValidator(_utc)]
#: An id of another system: opaque, not empty, without control characters and outer blanks.
Id = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=255, pattern=r"^[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?$"
    ),
]
#: A currency by its ISO 4217 code, in upper case.
CurrencyCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
#: A country: ISO 3166-1 alpha-2. A text that names no country, or two, stays as it is.
Country = Annotated[str, AfterValidator(lambda text: country_code(text) or text)]
#: A day as `YYYY-MM-DD`: a day has no time zone.
Day = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]
#: A time of day as `HH:MM`, local to the receiver.
TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


def clean(text: str) -> str | None:
    """Return the text without outer blanks and control characters; None if nothing is left: blank is missing.

    Half of a surrogate pair (half an emoji), which UTF-8 cannot write, becomes U+FFFD.
    """
    if text.isprintable():  # no control character, no half of a pair, and no blank but the space
        return text.strip() or None
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.translate(_CONTROLS).strip() or None


def clean_deep(value: Any) -> Any:
    """Return a JSON value with every text in it cleaned as `clean` does, except that a blank text stays, as ""."""
    if isinstance(value, dict):
        cleaned: dict[Any, Any] = {}
        for name, item in value.items():
            if type(item) is str:
                text = item.strip() if item.isprintable() else clean(item) or ""
            else:
                text = item if item is None or type(item) in _BARE else clean_deep(item)
            # Most names are words without anything to clean.
            cleaned[name if type(name) is str and name.isidentifier() else clean_deep(name)] = text
        return cleaned
    if isinstance(value, str):
        return value.strip() if value.isprintable() else clean(value) or ""
    return [clean_deep(item) for item in value] if isinstance(value, list) else value
