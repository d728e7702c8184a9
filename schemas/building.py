"""Build the parts of an order from usual values without pydantic, which takes longer, and with its result."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import Enum
from functools import cache, partial
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Literal,
    NamedTuple,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from schemas.countries import country_code
from schemas.values import Country, CurrencyCode, Day, Id, Moment, Money, TimeOfDay, clean, clean_deep, usual_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    #: Returns the value as pydantic does; None for one that is not usual, which pydantic reads or refuses.
    Reader = Callable[[Any], Any]

T = TypeVar("T")
#: The ids of an order, which are compared exactly: they are never changed, not even by a blank.
EXACT: Final = frozenset({"provider", "external_id", "source_id"})
#: The lists of texts: blank ones do not count.
TEXT_LISTS: Final = frozenset({"tags", "discount_codes"})
_LONGEST_ID: Final = 255
#: The most bits of a number that is usual: it fits into 64.
_BITS: Final = 63
_CURRENCY: Final = re.compile("[A-Z]{3}")
_DAY: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME: Final = re.compile("(?:[01][0-9]|2[0-3]):[0-5][0-9]")


class Plan(NamedTuple):
    """How to build a part."""

    #: The defaults of all fields, in their order: None for a required one.
    defaults: Mapping[str, Any]
    #: The fields that hold a text or nothing.
    texts: frozenset[str]
    #: What reads each of the other fields.
    readers: Mapping[str, Reader]
    #: The fields that are never None.
    filled: tuple[str, ...]
    #: The fields whose default is a new object for each part.
    made: tuple[tuple[str, Callable[[], Any]], ...]


def build(part: BaseModel, given: Mapping[str, Any]) -> bool:
    """Fill a new part with the given values, as its validators would; return whether all of them were usual."""
    plan = plan_of(type(part))
    if plan is None:
        return False
    values = {**plan.defaults, **given}
    if len(values) != len(plan.defaults) or not _read(values, given, plan):
        return False
    for name, make in plan.made:
        if name not in given:
            values[name] = make()
    if any([values[name] is None for name in plan.filled]):  # noqa: C419  # twice as fast as a generator
        return False
    fill(part, values, set(given))
    return True


def _read(values: dict[str, Any], given: Mapping[str, Any], plan: Plan) -> bool:
    """Put what the given values are read as in their place; return whether all of them are usual."""
    texts, readers = plan.texts, plan.readers
    for name, value in given.items():
        if value is None:
            continue
        if name in texts:
            if type(value) is not str:
                return False
            text = (value.strip() or None) if value.isprintable() else clean(value)
            if text != value:
                values[name] = text
        elif (read := readers.get(name)) is None or (usual := read(value)) is None:
            return False
        else:
            values[name] = usual
    return True


#: Set the slots of a model, twice as fast as `object.__setattr__`.
_SET_VALUES, _SET_GIVEN, _SET_EXTRA, _SET_PRIVATE = (
    BaseModel.__dict__[name].__set__
    for name in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
)


def fill(part: BaseModel, values: dict[str, Any], given: set[str]) -> None:
    """Make a new part hold these values, of which those of the fields `given` are no defaults."""
    _SET_VALUES(part, values)
    _SET_GIVEN(part, given)
    _SET_EXTRA(part, None)
    _SET_PRIVATE(part, None)


@cache
def plan_of(kind: type[BaseModel]) -> Plan | None:
    """Return the plan of a part; None for a class that somebody derived, which may have validators of its own."""
    if kind.__bases__[0].__bases__ != (BaseModel,):
        return None
    fields, hints = kind.model_fields, get_type_hints(kind, include_extras=True)
    optional = {name for name in fields if type(None) in get_args(hints[name])}
    texts = frozenset(name for name in optional - EXACT if hints[name] == (str | None))
    return Plan(
        {name: None if field.is_required() else field.default for name, field in fields.items()},
        texts,
        {name: read for name in fields.keys() - texts if (read := _reader(name, hints[name])) is not None},
        tuple(name for name in fields if name not in optional),
        tuple((name, field.default_factory) for name, field in fields.items() if field.default_factory is not None),  # type: ignore[misc]  # none takes the values
    )


def _reader(name: str, hint: Any) -> Reader | None:
    """Return what reads a field of this type; None if only pydantic does."""
    if type(None) in get_args(hint):
        (hint,) = [option for option in get_args(hint) if option is not type(None)]
    if name in EXACT:
        return _exact_id if hint == Id else _exact
    if name in TEXT_LISTS:
        return _texts
    known = next((read for known, read in _READERS if hint == known), None)
    return known or _reader_of_type(name, hint)


def _reader_of_type(name: str, hint: Any) -> Reader | None:
    kinds = get_args(hint)
    if get_origin(hint) is Annotated:
        return _reader(name, kinds[0])
    if get_origin(hint) is Literal:
        return partial(_among, kinds)
    if get_origin(hint) is tuple:
        return _exact_texts if kinds[0] is str else partial(_parts, kinds[0])
    return partial(_instance, hint) if isinstance(hint, type) and issubclass(hint, (BaseModel, Enum)) else None


def _text(value: Any) -> str | None:
    return clean(value) if type(value) is str else None


def _exact(value: Any) -> str | None:
    return value if type(value) is str and value.isprintable() else None


def _exact_id(value: Any) -> str | None:
    """Return an id whose characters are all printable: those that it may not have are not."""
    text = _exact(value)
    return text if text and len(text) <= _LONGEST_ID and text.strip() == text else None


def _matching(pattern: re.Pattern[str], value: Any) -> str | None:
    text = _text(value)
    return text if text and pattern.fullmatch(text) else None


def _country(value: Any) -> str | None:
    text = _text(value)
    return text and (country_code(text) or text)


def _flag(value: Any) -> bool | None:
    return value if type(value) is bool else None


def _count(value: Any) -> int | None:
    return value if type(value) is int and value.bit_length() <= _BITS else None


def _moment(value: Any) -> datetime | None:
    if type(value) is not datetime or type(value.tzinfo) not in _ZONES:
        return None
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return None


def _among(texts: tuple[str, ...], value: Any) -> str | None:
    return value if type(value) is str and value in texts else None


def _instance(kind: type[T], value: Any) -> T | None:
    return value if type(value) is kind else None


def _parts(kind: type[T], value: Any) -> tuple[T, ...] | None:
    return value if type(value) is tuple and all([type(each) is kind for each in value]) else None  # noqa: C419  # twice as fast as a generator


def _texts(value: Any) -> tuple[str, ...] | None:
    if type(value) is not tuple or not all([type(text) is str for text in value]):  # noqa: C419  # as above
        return None
    return tuple(text for each in value if (text := clean(each)) is not None)


def _exact_texts(value: Any) -> tuple[str, ...] | None:
    return value if type(value) is tuple and all(_exact(text) is not None for text in value) else None


def _fields(value: Any) -> dict[str, Any] | None:
    if type(value) is not dict or not all([type(name) is str for name in value]):  # noqa: C419  # as above
        return None
    cleaned: dict[str, Any] = clean_deep(value)
    return cleaned


_ZONES: Final = frozenset({type(UTC), ZoneInfo})
#: What reads the fields of each type.
_READERS: Final[tuple[tuple[Any, Reader], ...]] = (
    (Money, usual_number),
    (Moment, _moment),
    (Country, _country),
    (CurrencyCode, partial(_matching, _CURRENCY)),
    (Day, partial(_matching, _DAY)),
    (TimeOfDay, partial(_matching, _TIME)),
    (dict[str, Any], _fields),
    (str, _text),
    (bool, _flag),
    (int, _count),
)
