"""The reference of every setting and every command, from the models and from click."""

from __future__ import annotations

import inspect
import re
import types
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

import click
from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined

from worker.cli import GROUPS, main
from worker.durations import format_duration
from worker.settings.durations import Duration
from worker.settings.load import SECTION_MODELS
from worker.settings.tables import fields_of, secrets_of
from worker.systems.providers import provider_kinds
from worker.systems.targets import target_kinds
from worker.systems.webhooks import webhook_kinds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

_HEAD = "| key | type | default | |\n|---|---|---|---|"
#: Fields that no file has: what the settings know of an account beside its table.
_OURS = {"name", "options", "mapped", "identified_by", "unset"}
_NAMES = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`", SecretStr: "secret"}


def settings_page() -> str:
    """Return the page of every setting."""
    lines = ["# Every setting", "", "Made from the code. How they work together: [settings](../settings.md).", ""]
    for section, model in SECTION_MODELS.items():
        title = f"[{section}.NAME]" if section in {"providers", "targets", "producers"} else f"[{section}]"
        lines += [f"## `{'[[routes]]' if section == 'routes' else title}`", ""]
        lines += [*_table(model, _OURS), ""]
        for role, kinds in (
            ("providers", provider_kinds()),
            ("targets", target_kinds()),
            ("producers", webhook_kinds()),
        ):
            for kind, adapter in kinds.items() if role == section else ():
                rows = _table(adapter.Options, set())
                lines += [
                    f'### `kind = "{kind}"` ({role})',
                    "",
                    *(rows if len(rows) > 1 else ["No keys of its own."]),
                    "",
                ]
    return "\n".join(lines)


def _table(model: type[BaseModel], without: set[str]) -> list[str]:
    comments, secrets = _comments(model), secrets_of(model)
    rows = []
    for key, field in fields_of(model).items():
        name = next(name for name, each in model.model_fields.items() if each is field)
        if name in without:
            continue
        kind = "secret" if key in secrets else _type(field.annotation, field)
        cells = (f"`{key}`", kind, _default(field), comments.get(name, ""))
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return [_HEAD, *rows]


def _type(annotation: Any, field: FieldInfo | None = None) -> str:
    """Return what a value of this type is, as people write it."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if field is not None and any(part in field.metadata for part in get_args(Duration)[1:]):
        name = "duration"
    elif annotation in _NAMES:
        name = _NAMES[annotation]
    elif origin is Literal:
        name = "one of " + ", ".join(f"`{part}`" for part in parts)
    elif inspect.isclass(annotation) and issubclass(annotation, Enum):
        name = "one of " + ", ".join(f"`{item.value}`" for item in annotation)
    elif origin in {Union, types.UnionType}:
        name = " or ".join(dict.fromkeys(_type(part) for part in parts if part is not type(None)))
    elif origin in {tuple, list, frozenset, set}:
        name = "list"
    elif origin is dict or (inspect.isclass(annotation) and issubclass(annotation, BaseModel)):
        name = "table"
    else:
        name = _type(parts[0]) if parts else "text"
    return name


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value in (None, (), {}, "", PydanticUndefined) or isinstance(value, BaseModel):
        return ""
    if isinstance(value, float) and _type(field.annotation, field) == "duration":
        return f"`{format_duration(value)}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _comments(model: type[BaseModel]) -> dict[str, str]:
    """Return what stands above each field of a model in its code, also of the models that it extends."""
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if not issubclass(each, BaseModel) or each is BaseModel:
            continue
        above: list[str] = []
        for line in inspect.getsource(each).splitlines():
            text = line.strip()
            if text.startswith("#:"):
                above.append(text.removeprefix("#:").strip())
            elif field := re.match(r"(\w+): ", text):
                if above:
                    found[field[1]] = " ".join(above)
                above = []
            else:
                above = []
    return found


def commands_page() -> str:
    """Return the page of every command."""
    lines = ["# Every command", "", "Made from the code. In the order of a day: [commands](../commands.md).", ""]
    for group, commands in GROUPS.items():
        lines += [f"## {group}", ""]
        for name in commands:
            command = main.get_command(click.Context(main), name)
            assert command is not None
            lines += _help(command, ["intake", name], 3)
    return "\n".join(lines)


def _help(command: click.Command, words: list[str], level: int) -> Iterator[str]:
    context = click.Context(command, info_name=" ".join(words), terminal_width=100, max_content_width=100)
    yield from (f"{'#' * level} `{' '.join(words)}`", "")
    yield from ("```", command.get_help(context), "```", "")
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                yield from _help(inner, [*words, name], level + 1)
