"""The text of a new `intake.toml`, generated from the options of each kind."""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args, get_origin

from pydantic import BaseModel, ValidationError

from worker.durations import format_duration
from worker.settings.start import start_line
from worker.settings.tables import secrets_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping
    from datetime import datetime

    from pydantic.fields import FieldInfo

    from worker.settings.kinds import AdapterKind


Section = Literal["providers", "targets"]
#: The kinds of each section, by name.
Kinds: TypeAlias = "Mapping[Section, Mapping[str, AdapterKind]]"

_HEAD: Final = """\
# The settings of Intake: the accounts to read, the accounts to write to, and the routes between them.
# Check this file with: intake check
# "env:NAME" is the value of an environment variable. Commented lines show optional settings with their defaults.

{secrets}
# [redis]
# url = "redis://localhost:6379/0"      # without it: an embedded Valkey, with its data in .intake/
"""


@dataclass(slots=True)
class AccountDraft:
    """An account to write into the file; `values` are its required keys, as the file has them ("env:NAME")."""

    section: Section
    kind: str
    name: str
    values: dict[str, str] = field(default_factory=dict)
    #: The targets of a provider's route.
    to: list[str] = field(default_factory=list)

    def variable(self, key: str) -> str:
        """Return the default name of the environment variable for a key."""
        return re.sub(r"[^A-Z0-9]", "_", f"{self.name}_{key}".upper())


def required_keys(kind: AdapterKind) -> Iterator[str]:
    """Yield the keys that an account of this kind must have, with a dot for a key of a table inside."""
    if kind.default_url is None:
        yield "url"
    always = list(_required(kind.Options))
    yield from always
    yield from _required_together(kind.Options, always)


def _required_together(model: type[BaseModel], always: Iterable[str]) -> list[str]:
    """Return the optional keys without which a model is invalid, for example one of two: its error names them."""
    values: dict[str, Any] = {}
    for key in always:
        table, _, name = key.rpartition(".")
        (values.setdefault(table, {}) if table else values)[name] = "x" * 24
    try:
        model.model_validate(values)
    except ValidationError as error:
        message = " ".join(detail["msg"] for detail in error.errors() if not detail["loc"])
        unset = (name for name, info in model.model_fields.items() if not info.is_required() and info.default is None)
        return [name for name in unset if re.search(rf"\b{name}\b", message)]
    return []


def _required(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, info in model.model_fields.items():
        key = f"{prefix}{info.alias or name}"
        if not info.is_required():
            continue
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from _required(info.annotation, f"{key}.")
        else:
            yield key


def settings_text(accounts: list[AccountDraft], kinds: Kinds, now: datetime, env_file: str | None = None) -> str:
    """Return the text of the whole file; its providers start today."""
    mark = "" if env_file else "# "
    secrets = f"{mark}[secrets]\n{mark}env_file = {_toml(env_file or '.env')}      # variables for env:NAME\n"
    parts = [
        _HEAD.replace("{secrets}", secrets),
        *("\n".join(_account(draft, kinds[draft.section][draft.kind], now)) + "\n" for draft in accounts),
    ]
    providers = [draft for draft in accounts if draft.section == "providers"]
    # Two providers may use the same ids; and in a system that is also read, our own orders must be recognizable.
    both = {draft.kind for draft in providers} & {draft.kind for draft in accounts if draft.section == "targets"}
    reference = "{provider}:{external_id}" if len(providers) > 1 or both else "{external_id}"
    parts += [
        f'[[routes]]\nfrom = "{draft.name}"\nto = {json.dumps(draft.to)}\n'
        f'reference = "{reference}"      # identifies an order in the targets\n'
        '# only = { store = ["nl"] }            # default: the orders of all stores\n'
        '# also_create = []                     # for example ["test"]: test orders, too\n'
        '# on_change = "update"                 # or "hold", "ignore": changes after the delivery\n'
        for draft in providers
    ]
    return "\n".join(parts)


def _account(draft: AccountDraft, kind: AdapterKind, now: datetime) -> Iterator[str]:
    yield f"[{draft.section}.{draft.name}]"
    yield f"kind = {_toml(draft.kind)}"
    secrets, tables, needed = secrets_of(kind.Options), dict[str, list[str]](), list(required_keys(kind))
    for key in needed:
        value = draft.values.get(key, f"env:{draft.variable(key)}")
        table, _, name = key.rpartition(".")
        if table:
            tables.setdefault(table, []).append(f"{name} = {_toml(value)}")
        else:
            yield f"{key} = {_toml(value)}{'      # a secret: never write it into this file' if key in secrets else ''}"
    if draft.section == "providers":
        yield f"{start_line(now)}      # orders placed before this day (UTC) are never created"
    yield from _optional(draft, kind, needed)
    for table, lines in tables.items():
        yield f"[{draft.section}.{draft.name}.{table}]"
        yield from lines


def _optional(draft: AccountDraft, kind: AdapterKind, needed: Container[str]) -> Iterator[str]:
    """Yield the optional keys as comments, each with its default, or … if it has none."""
    if (url := kind.default_url) is not None:
        named = draft.values.get("url")
        yield f"url = {_toml(named)}" if named else f"# url = {_toml(url)}"
    allowed = f"      # at most {kind.documented_limit}" if kind.documented_limit else ""
    yield f"# limit = {_toml(kind.default_limit)}{allowed}"
    if draft.section == "providers":
        every: float = getattr(kind, "default_poll_every", 300.0)
        yield f'# poll_every = "{format_duration(every)}"'
    else:
        yield "# concurrency = 64"
        yield "# max_tries = 12"
    # Without a docstring of its own, a class inherits that of pydantic.
    doc = kind.Options.__dict__.get("__doc__")
    for line in textwrap.wrap(" ".join(inspect.cleandoc(doc).split()), 110) if doc else ():
        yield f"#   {line}"
    for name, info in kind.Options.model_fields.items():
        if not info.is_required() and name not in needed:
            yield _default(info.alias or name, info)


def _default(key: str, info: FieldInfo) -> str:
    value = info.get_default(call_default_factory=True)
    notes = [info.description] if info.description else []
    if choices := _choices(info.annotation):
        notes.append("one of " + ", ".join(map(_toml, choices)))
    text = _toml(value)
    if text == "…":
        notes.insert(0, "left out: none")
    return f"# {key} = {text}" + (f"      # {'; '.join(notes)}" if notes else "")


def _choices(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return next((choices for part in get_args(annotation) if (choices := _choices(part))), ())


def _toml(value: Any) -> str:
    """Return the value as TOML; … for a value without a form in TOML."""
    plain = value.value if isinstance(value, Enum) else value
    if isinstance(plain, str | bool):
        return json.dumps(plain, ensure_ascii=False)
    if isinstance(plain, int | float):
        return f"{plain:g}" if isinstance(plain, float) else str(plain)
    if isinstance(plain, list | tuple | set | frozenset):
        return f"[{', '.join(map(_toml, plain))}]"
    if isinstance(plain, dict):
        return "{" + ", ".join(f"{json.dumps(str(key))} = {_toml(part)}" for key, part in plain.items()) + "}"
    return "…"
