"""Transforms: functions of the user that change the orders of a route before they are delivered."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import traceback
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ValidationError

from schemas.order import Order
from schemas.transform import Hold, Skip
from worker.errors import Malformed
from worker.settings.tables import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_FORM: Final = re.compile(r"(?P<module>[^\W\d]\w*(\.[^\W\d]\w*)*):(?P<function>[^\W\d]\w*(\.[^\W\d]\w*)*)")
_FORM_REMEDY: Final = 'Write transform = "package.module:function".'
_CALL_REMEDY: Final = "Name a function that takes one order and returns an Order, Skip or Hold."
#: The fields that identify an order and its reading: a transform must not change them.
_IDENTITY: Final = ("provider", "external_id", "version")
#: The longest reason that is kept of a Skip or a Hold.
_LONGEST: Final = 300


class Transform:
    """The function that a route names."""

    def __init__(self, name: str, function: Callable[[Order], object]) -> None:
        self.name, self._function = name, function

    def __repr__(self) -> str:
        return f"Transform({self.name!r})"

    def __call__(self, order: Order) -> Order | Skip | Hold:
        """Return what the function makes of the order.

        The function gets a copy, so that it cannot change the order of another route. Raises Malformed if it fails, or
        returns anything but a valid order with the same identity, a Skip or a Hold.
        """
        try:
            outcome = self._function(order.model_copy(deep=True))
        except (Exception, SystemExit) as error:  # noqa: BLE001  # the code of a user may fail in any way
            frame = traceback.extract_tb(error.__traceback__)[-1]
            raise self._failure(f"failed with {type(error).__name__} in {frame.name}, line {frame.lineno}") from None
        if isinstance(outcome, Skip | Hold):
            reason = _clean(outcome.reason)
            if not reason:
                raise self._failure(f"returned a {type(outcome).__name__} without a reason")
            if isinstance(outcome, Skip):
                return Skip(reason)
            return Hold(reason, None if outcome.order is None else self._checked(order, outcome.order))
        return self._checked(order, outcome)

    def _checked(self, before: Order, after: object) -> Order:
        """Return the order that the function returned, validated: `model_copy` accepts any value."""
        if not isinstance(after, Order):
            raise self._failure(f"returned {type(after).__name__}, which is no Order, Skip or Hold")
        if unknown := next(_unknown_fields(after), None):
            raise self._failure(f"returned an order with a field that orders do not have: {unknown}", unknown)
        try:
            result = Order.model_validate_json(after.model_dump_json(warnings=False))
        except ValidationError as error:
            detail = error.errors(include_url=False, include_input=False, include_context=False)[0]
            what = detail["msg"].removeprefix("Value error, ") if detail["type"] == "value_error" else detail["type"]
            place = ".".join(map(str, detail["loc"]))
            raise self._failure(f"returned an order that is not valid: {place}: {what}", place) from None
        except Exception as error:  # noqa: BLE001  # a value of any type may stand in any field
            raise self._failure(f"returned an order that cannot be written: {type(error).__name__}") from None
        for field in _IDENTITY:
            if getattr(result, field) != getattr(before, field):
                raise self._failure(f"changed {field}, which identifies the order", field)
        return result

    def _failure(self, what: str, field: str = "") -> Malformed:
        return Malformed(f"transform {self.name} {what}", field)


def _unknown_fields(part: BaseModel) -> Iterator[str]:
    """Yield the names that `model_copy` put into a part of an order, and that are not fields of it."""
    fields = type(part).model_fields
    for name, value in vars(part).items():
        if name not in fields:
            yield str(name)
        for inner in value if isinstance(value, list | tuple) else (value,):
            if isinstance(inner, BaseModel):
                yield from (f"{name}.{unknown}" for unknown in _unknown_fields(inner))


def _clean(reason: object) -> str:
    """Return the reason on one line, without control characters; "" if it is no text."""
    if not isinstance(reason, str):
        return ""
    printable = "".join(letter if letter.isprintable() else " " for letter in reason)
    return " ".join(printable.split())[:_LONGEST]


def read_transform(text: Any, folder: Path | None) -> Transform:
    """Import the function `package.module:function`; its package is installed, or lies in `folder`.

    Raise SettingError if there is no such function, or if it cannot be called with one order.
    """
    if not isinstance(text, str) or (match := _FORM.fullmatch(text)) is None:
        raise SettingError("does not name a function", _FORM_REMEDY)
    if folder is not None and str(folder) not in sys.path:
        sys.path.append(str(folder))  # last, so that it replaces no module that is installed
    value: Any = _import(match["module"])
    for name in match["function"].split("."):
        try:
            value = getattr(value, name)
        except AttributeError:
            raise SettingError(f"names a module that has no {match['function']}", _CALL_REMEDY) from None
    _check_call(value)
    return Transform(text, value)


def _import(module: str) -> Any:
    importlib.invalidate_caches()  # the file may be newer than the last look into its folder
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(f"{error.name}.")):
            reason = f"names a module that is not installed here: {error.name}"
            raise SettingError(reason, "Install its package, or put it beside intake.toml.") from None
        raise SettingError(f"its module needs {error.name}, which is not installed here", "Install it.") from None
    except (Exception, SystemExit) as error:  # noqa: BLE001  # the code of a user may fail in any way
        line = error.lineno if isinstance(error, SyntaxError) else traceback.extract_tb(error.__traceback__)[-1].lineno
        reason = f"its module cannot be imported: {type(error).__name__}, line {line}"
        raise SettingError(reason, "Correct the module.") from None


def _check_call(value: Any) -> None:
    if not callable(value) or inspect.isclass(value):
        raise SettingError("is not a function", _CALL_REMEDY)
    call = value if inspect.isroutine(value) else type(value).__call__
    if inspect.iscoroutinefunction(call) or inspect.isgeneratorfunction(call) or inspect.isasyncgenfunction(call):
        raise SettingError("is a coroutine or a generator", _CALL_REMEDY)
    try:
        inspect.signature(value).bind(object())
    except TypeError:
        raise SettingError("cannot be called with one order alone", _CALL_REMEDY) from None
    except ValueError:
        return  # a function written in C may have no signature
