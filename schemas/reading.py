"""Lenient reading of a record: a detail that cannot be read is left out, and never refuses the whole order.

A detail is a field with a default. What an order would be wrong without is essential: a field without a default, and a
field whose type is marked `ESSENTIAL` (amounts, quantities, lines, flags). Only that refuses the record.
"""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar, get_args, get_origin

from pydantic import AliasChoices, BaseModel, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic.fields import FieldInfo

M = TypeVar("M", bound=BaseModel)
#: The way to a value in a record: keys of objects, and positions in lists.
Path = tuple[str | int, ...]

#: Marks the type of a field that an order would be wrong without: `Annotated[bool | None, ESSENTIAL]`.
ESSENTIAL: Final = "essential"


def read(model: type[M], raw: Mapping[str, Any]) -> tuple[M, tuple[Path, ...]]:
    """Return the record as `model`, and the paths of the details that could not be read.

    A record without such details costs nothing extra. Raise ValidationError if something essential cannot be read.
    """
    document: Any = raw
    unread: list[Path] = []
    while True:
        try:
            return model.model_validate(document), tuple(unread)
        except ValidationError as wrong:
            details = {_detail(model, document, error["loc"]) for error in wrong.errors(include_input=False)}
            if None in details:
                raise
        document = deepcopy(document) if document is raw else document
        # From the end, so that a position in a list stays right when another one of the list is taken out.
        for detail in sorted(filter(None, details), key=_order, reverse=True):
            _take_out(document, detail)
            unread.append(detail)


def kept(model: type[BaseModel], raw: Mapping[str, Any], unread: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Return the entries of the record that no field of `model` reads, and those that could not be read.

    They are nested as in the record, down to the objects and lists of objects that the model reads in part. An object
    in a list is named by its position. Entries without a value (null, "", [], {}) are left out.
    """
    result = _unknown(model, raw)
    for path in unread:
        value: Any = raw
        for step in path:
            value = _step(value, step)
        keep(result, value, *path)
    return result


def keep(rest: dict[str, Any], value: Any, *path: str | int) -> None:
    """Put a value into the nested `rest`, unless it says nothing (null, "", [], {})."""
    if not value and not _says(value):
        return
    *above, last = map(str, path)
    for step in above:
        below = rest.setdefault(step, {})
        if not isinstance(below, dict):
            return  # it is kept as a whole
        rest = below
    rest[last] = value


def model_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model that the field holds: itself, in a list, or as a value of an object. None: no model."""
    return next(_models(field.annotation), None)


@cache
def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    found: dict[str, FieldInfo] = {}
    for name, field in model.model_fields.items():
        alias = field.validation_alias or field.alias or name
        names = [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else [str(alias)]
        found |= dict.fromkeys(names, field)
        if model.model_config.get("populate_by_name"):
            found[name] = field
    return found


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for part in get_args(annotation):
        yield from _models(part)


def _is_essential(field: FieldInfo) -> bool:
    return ESSENTIAL in field.metadata or _marked(field.annotation)


def _marked(annotation: Any) -> bool:
    if get_origin(annotation) is Annotated and ESSENTIAL in annotation.__metadata__:
        return True
    return any(_marked(part) for part in get_args(annotation))


def _detail(model: type[BaseModel] | None, document: Any, loc: tuple[str | int, ...]) -> Path | None:
    """Return the path of the smallest detail that has this error in it; None if the error is in an essential field."""
    path: Path = ()
    detail: Path | None = None
    value, droppable = document, False
    for step in loc:
        if isinstance(value, dict) and isinstance(step, int):  # an object that is read as a list of its values
            step = list(value)[step] if step < len(value) else step  # noqa: PLW2901
            found = step in value
        elif isinstance(value, dict):
            field = _fields(model).get(step) if model and isinstance(step, str) else None
            if field is not None:
                model, droppable = model_of(field), not (_is_essential(field) or field.is_required())
                detail = None if _is_essential(field) else detail
            found = step in value
        else:
            found = isinstance(value, list) and isinstance(step, int) and step < len(value)
        if not found:  # the name of a variant in a union, or a missing field
            continue
        path, value = (*path, step), _step(value, step)
        detail = path if droppable else detail
    return detail


def _step(value: Any, step: str | int) -> Any:
    if isinstance(value, list):
        return value[step] if isinstance(step, int) and step < len(value) else None
    return value.get(step) if isinstance(value, dict) else None


def _order(path: Path) -> tuple[tuple[bool, int, str], ...]:
    return tuple((isinstance(step, int), step if isinstance(step, int) else 0, str(step)) for step in path)


def _take_out(document: Any, path: Path) -> None:
    *above, last = path
    for step in above:
        document = _step(document, step)
    if isinstance(document, dict) or isinstance(last, int):
        del document[last]


def _says(value: Any) -> bool:
    """Return whether a value that is false says something, as 0 does."""
    return value is not None and not isinstance(value, (str, list, dict))


def _unknown(model: type[BaseModel], raw: Mapping[Any, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    parts, leaves = _parts(model), _leaves(model)
    for key in [key for key in raw if key not in leaves]:
        part, value = parts.get(key), raw[key]
        rest = value if part is None else _rest(part, value)
        if rest or _says(rest):
            result[key if type(key) is str else str(key)] = rest
    return result


@cache
def _leaves(model: type[BaseModel]) -> frozenset[str]:
    """Return the names of the fields that read all of a value."""
    return frozenset(name for name, part in _parts(model).items() if part is None)


@cache
def _parts(model: type[BaseModel]) -> dict[str, type[BaseModel] | None]:
    """Return the model that each field holds, by each name of the field."""
    return {name: model_of(field) for name, field in _fields(model).items()}


def _rest(model: type[BaseModel], value: Any) -> Any:
    """Return what `model` does not read of a value that it reads in part."""
    if isinstance(value, list):
        if not value or not all([isinstance(item, dict) for item in value]):  # noqa: C419  # twice as fast as a generator
            return _unknown(model, dict(enumerate(value)))
        return {str(n): rest for n, item in enumerate(value) if (rest := _unknown(model, item))}
    if not isinstance(value, dict):
        return None
    if value and _parts(model).keys().isdisjoint(value) and all(isinstance(item, dict) for item in value.values()):
        return {str(key): rest for key, item in value.items() if (rest := _unknown(model, item))}
    return _unknown(model, value)
