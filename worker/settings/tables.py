"""What a table of the settings is made of: its base, its keys, and how it refuses a value."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic import BaseModel, ConfigDict, SecretStr

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

#: Marks a setting that may be a secret, although it is no SecretStr: a URL with a password.
MAY_BE_SECRET: Final = object()


def as_list(value: Any) -> Any:
    """Return a single string as a list of one, and any other value as it is."""
    return [value] if isinstance(value, str) else value


class Table(BaseModel):
    """The base of all tables of the settings: frozen, without unknown keys, without values in its errors."""

    model_config = ConfigDict(
        defer_build=True, frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True
    )


class SettingError(ValueError):  # never leaves a validator: pydantic wraps it
    """A value is refused by one of our validators. The reason and the remedy contain no part of the value."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a model by the keys that its table may have in a file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def secrets_of(model: type[BaseModel]) -> frozenset[str]:
    """Return the keys of this model whose values are secrets."""
    return keys_with(model, SecretStr, MAY_BE_SECRET)


@cache
def keys_with(model: type[BaseModel], *marks: object) -> frozenset[str]:
    """Return the keys of this model whose annotation contains one of the marks."""
    return frozenset(key for key, field in fields_of(model).items() if _contains(field.annotation, marks))


def _contains(annotation: Any, marks: tuple[object, ...]) -> bool:
    return annotation in marks or any(_contains(part, marks) for part in get_args(annotation))


def names_at(model: type[BaseModel], path: tuple[str | int, ...]) -> set[str]:
    """Return the keys of the model at `path` inside `model`."""
    for part in path:
        field = fields_of(model).get(str(part))
        inner = field.annotation if field else None
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            model = inner
    return set(fields_of(model))
