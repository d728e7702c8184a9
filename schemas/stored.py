"""Read an order that Intake wrote itself: what was checked, cleaned and rounded before is only put together."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from schemas.building import fill
from schemas.order import Order, Part, Status
from schemas.values import Moment, Money

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

P = TypeVar("P", bound=Part)
_decode: Final = msgspec.json.Decoder().decode
#: Errors that show that Intake did not write a text.
_OTHERS: Final = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


def stored_order(text: str) -> Order:
    """Return the order that `Order.written` wrote, as `Order.model_validate_json` does in twice the time.

    Raise ValidationError for a text of another form.
    """
    try:
        return _build(Order, _decode(text))
    except _OTHERS:
        return Order.model_validate_json(text)


class _Plan(NamedTuple):
    """How to build a part: its defaults in the order of its fields, and what to make of the values from JSON."""

    defaults: Mapping[str, Any]
    required: frozenset[str]
    #: The fields whose default is a new object for each part.
    made: tuple[tuple[str, Callable[[], Any]], ...]
    #: The fields whose values are not kept as JSON has them.
    converters: tuple[tuple[str, Callable[[Any], Any]], ...]


def _build(kind: type[P], document: Mapping[str, Any]) -> P:
    plan = _plan_of(kind)
    values = {**plan.defaults, **document}
    if len(values) != len(plan.defaults) or not plan.required <= document.keys():
        raise ValueError("a field is missing or unknown")
    for name, convert in plan.converters:
        if (value := document.get(name)) is not None:
            values[name] = convert(value)
    for name, make in plan.made:
        if name not in document:
            values[name] = make()
    part = kind.__new__(kind)
    fill(part, values, set(document))
    return part


@cache
def _plan_of(kind: type[Part]) -> _Plan:
    fields, hints = kind.model_fields, get_type_hints(kind, include_extras=True)
    return _Plan(
        {name: None if field.is_required() else field.default for name, field in fields.items()},
        frozenset(name for name, field in fields.items() if field.is_required()),
        tuple((name, field.default_factory) for name, field in fields.items() if field.default_factory is not None),  # type: ignore[misc]  # none takes the values
        tuple((name, convert) for name in fields if (convert := _converter(hints[name])) is not None),
    )


def _converter(hint: Any) -> Callable[[Any], Any] | None:
    """Return what makes a value of this type from that of its JSON; None if it is the same."""
    options = [option for option in get_args(hint) if option is not type(None)]
    if type(None) in get_args(hint):
        hint = options[0]
    if hint == Money:
        return _number
    if hint == Moment:
        return datetime.fromisoformat
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) is tuple:
        convert = _converter(get_args(hint)[0])
        return tuple if convert is None else partial(_tuple, convert)
    if hint is Status:
        return Status
    if isinstance(hint, type) and issubclass(hint, Part):
        return partial(_build, hint)
    return None


def _tuple(convert: Callable[[Any], Any], values: list[Any]) -> tuple[Any, ...]:
    return tuple(map(convert, values))


@lru_cache(8192)
def _number(text: str) -> Decimal:
    """Return the number. Orders hold few different ones."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError("not a number") from None
