"""The values in an order: amounts, moments, days, ids and texts, each in the one form that Intake keeps."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints

from schemas.countries import country_code

_WHOLE: Final = Decimal(1)
#: The finest amount that is kept: what is finer is the noise of floating-point numbers (29.979999999999997).
_FINEST: Final = Decimal("0.000001")
_DIGITS: Final = 6
#: Control characters that no text needs: all of C0 but tab and line breaks, and DEL.
_CONTROLS: Final = dict.fromkeys([*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F])


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


@lru_cache(4096)
def _plain(value: Decimal) -> Decimal:
    """Return the one form of a number, so that 9.90 in a list and 9.9 in a single read have the same fingerprint.

    Results are cached: the function is called for every number, and orders hold few different ones.
    """
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
    BeforeValidator(_exact),
    AfterValidator(_plain),
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
    if isinstance(value, str):
        return clean(value) or ""
    if isinstance(value, dict):
        return {clean_deep(key): clean_deep(item) for key, item in value.items()}
    return [clean_deep(item) for item in value] if isinstance(value, list) else value
