"""The JSON Schema of `intake.toml`, by which an editor completes and checks it."""

from __future__ import annotations

import inspect
import types
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from worker.settings.load import SECTION_MODELS
from worker.settings.tables import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from worker.settings.kinds import AdapterKind, WebhookKind

#: What stands for a value of any type: a variable of the environment.
_VARIABLE: Final = {"type": "string", "pattern": "^env:"}
_PLAIN: Final[dict[Any, dict[str, Any]]] = {
    bool: {"anyOf": [{"type": "boolean"}, _VARIABLE]},
    int: {"anyOf": [{"type": "integer"}, _VARIABLE]},
    float: {"type": ["number", "string"]},  # a duration, or a number
    str: {"type": "string"},
    SecretStr: {"type": "string"},
}
#: A list may be written as its only value, and a map as the name of its file.
_COLLECTIONS: Final[dict[Any, dict[str, Any]]] = {
    dict: {"type": ["object", "string"]},
    **{each: {"type": ["array", "string"]} for each in (tuple, list, frozenset, set)},
}
#: Fields that no file has: what the settings know of an account beside its table.
_OURS: Final = frozenset({"name", "options", "mapped", "identified_by", "unset"})


def settings_schema(
    providers: Mapping[str, AdapterKind], targets: Mapping[str, AdapterKind], webhooks: Mapping[str, WebhookKind]
) -> dict[str, Any]:
    """Return the schema for these kinds. It is looser than `intake check`, and never stricter."""
    options = {
        "providers": {kind: adapter.Options for kind, adapter in providers.items()},
        "targets": {kind: adapter.Options for kind, adapter in targets.items()},
        "producers": {kind: webhook.Options for kind, webhook in webhooks.items()},
    }
    sections: dict[str, Any] = {}
    for section, model in SECTION_MODELS.items():
        if section in options:
            sections[section] = {"type": "object", "additionalProperties": _account(model, options[section])}
        elif section == "routes":
            sections[section] = {"type": "array", "items": _table([model])}
        else:
            sections[section] = _table([model])
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "intake.toml",
        "type": "object",
        "properties": sections,
        "additionalProperties": False,
    }


def _account(model: type[BaseModel], kinds: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """Return the schema of a table whose keys depend on its `kind`."""
    cases = [
        {"if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]}, "then": _table([model, options])}
        for kind, options in kinds.items()
    ]
    return {"type": "object", "properties": {"kind": {"enum": sorted(kinds)}}, "allOf": cases}


def _table(models: Iterable[type[BaseModel]]) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    for model in models:
        by_name = model.model_config.get("populate_by_name") and not issubclass(model, Table)
        for name, field in model.model_fields.items():
            if field.alias or name not in _OURS:
                keys |= dict.fromkeys({field.alias or name, *([name] if by_name else [])}, _value(field.annotation))
    return {"type": "object", "properties": keys, "additionalProperties": False}


def _value(annotation: Any) -> dict[str, Any]:
    """Return the schema of a value of this type, as people may write it."""
    parts = get_args(annotation)
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if get_origin(annotation) in {Union, types.UnionType}:
        return {"anyOf": [_value(part) for part in parts if part is not type(None)]}
    if get_origin(annotation) is Literal:
        return {"anyOf": [{"enum": list(parts)}, _VARIABLE]}
    if get_origin(annotation) is dict and _is(parts[1], BaseModel):
        return {"type": "object", "additionalProperties": _table([parts[1]])}
    return _class(annotation)


def _class(annotation: Any) -> dict[str, Any]:
    if _is(annotation, BaseModel):
        return _table([annotation])
    if _is(annotation, Enum):
        return {"anyOf": [{"enum": [item.value for item in annotation]}, _VARIABLE]}
    return _COLLECTIONS.get(get_origin(annotation), {})


def _is(annotation: Any, base: type) -> bool:
    return inspect.isclass(annotation) and issubclass(annotation, base)
