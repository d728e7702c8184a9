"""The types of the values in a record, as lenient as systems are with them, for the wire models of all systems."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

from pydantic import BeforeValidator, WrapValidator

from schemas.reading import ESSENTIAL
from schemas.values import Money, usual_number

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

#: Blanks and apostrophes that separate thousands, and signs and codes of a currency before or after a number.
_SEPARATORS: Final = re.compile(r"[\s\u00a0\u2009\u202f'\u2019]+")
_CURRENCY: Final = re.compile(r"^(?:[^\W\d_]{1,3}\.?|[^\w\s.,+-]){0,1}|(?:[^\W\d_]{1,3}\.?|[^\w\s.,+-]){0,1}$")
_PLAIN: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?")
_GROUPED: Final = re.compile(r"[+-]?\d{1,3}(?:([.,])\d{3})(?:\1\d{3})*(?:[.,]\d+)?")
_THOUSAND: Final = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")


def number(value: object) -> object:
    """Return the number that a text writes, such as "1,234.50", "1.234,50", "12,50", "€ 9.90" or "1 234.5".

    Any value but a text is returned unchanged. Raise ValueError for a text that could mean two numbers ("1,234").
    """
    if not isinstance(value, str):
        if isinstance(value, bool):
            raise ValueError("a number is expected, not true or false")  # noqa: TRY004
        return value
    text = value
    if not _PLAIN.fullmatch(text):
        text = _CURRENCY.sub("", _SEPARATORS.sub("", value).replace("\u2212", "-"))
        text = text if _PLAIN.fullmatch(text) else _with_point(text)
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError("not a number") from None


def _with_point(text: str) -> str:
    """Return the text with a point before its fraction, and without the signs between thousands."""
    last = max(text.rfind("."), text.rfind(","))
    if last < 0 or not re.fullmatch(r"[+-]?[\d.,]+", text):
        raise ValueError("not a number")
    point = text[last]
    if text.count(point) > 1:  # 1,234,567: it cannot be a decimal point
        if not _GROUPED.fullmatch(text):
            raise ValueError("not a number")
        return text.replace(point, "")
    other = "," if point == "." else "."
    if other not in text and _THOUSAND.fullmatch(text):
        raise ValueError("it could mean thousands or a fraction")
    if other in text and not _GROUPED.fullmatch(text):
        raise ValueError("not a number")
    return f"{text[:last].replace(other, '')}.{text[last + 1 :]}"


def _blank(value: object) -> object:
    """Return None for a blank text, which means "not set"."""
    return None if isinstance(value, str) and not value.strip() else value


def whole_as_text(value: object) -> object:
    """Return a whole number as its digits: JSON may write 31205550101 as 3.1205550101E+10."""
    return f"{value:f}" if isinstance(value, Decimal) and value == value.to_integral_value() else value


def _text(value: object) -> object:
    return (value if value.strip() else None) if type(value) is str else whole_as_text(_blank(value))


def _object(value: object) -> object:
    """Return an object for what stands for one: null, "" and [] are empty; a list has its positions as keys."""
    if isinstance(value, list):
        return {str(n): item for n, item in enumerate(value)}
    return {} if _blank(value) is None else value


def _list(value: object) -> object:
    """Return a list for what stands for one: null and "" are empty; an object is its values."""
    if isinstance(value, dict):
        return list(value.values())
    return [] if _blank(value) is None else value


def _amount(value: object, read: Callable[[object], Decimal | None]) -> Decimal | None:
    if value is None:
        return None
    usual = usual_number(value)
    return read(number(_blank(value))) if usual is None else usual


def _required(value: object, read: Callable[[object], Decimal]) -> Decimal:
    usual = usual_number(value)
    return read(number(value)) if usual is None else usual


# The outer None lets pydantic accept null, the most frequent value of all, without a call of ours.
#: A text, which may be null, blank, or sent as a number. One function: called for each text, two take twice the time.
Text = Annotated[str | None, BeforeValidator(_text)] | None
#: A value that may be null or blank.
Maybe = Annotated[T | None, BeforeValidator(_blank)] | None
#: An object that PHP and others also write as null, "" or a list.
Object = Annotated[T, BeforeValidator(_object)]
#: A list that PHP and others also write as null, "" or an object.
List = Annotated[list[T], BeforeValidator(_list)]
#: A list that an order would be wrong without an element of, such as its lines.
Essentials = Annotated[list[T], BeforeValidator(_list), ESSENTIAL]
#: An amount or quantity, however it is written; None for null and blank.
Amount = Annotated[Annotated[Money | None, WrapValidator(_amount)] | None, ESSENTIAL]
#: The same, for a detail such as a weight: one that cannot be read is left out.
Measure = Annotated[Money | None, WrapValidator(_amount)] | None
#: An amount that the order cannot do without.
Required = Annotated[Money, WrapValidator(_required), ESSENTIAL]
#: A yes or no that changes what the order is, such as "cancelled" or "test".
Flag = Annotated[Annotated[bool | None, BeforeValidator(_blank)] | None, ESSENTIAL]
