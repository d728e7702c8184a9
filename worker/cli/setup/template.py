"""The text of a new `intake.toml`, made from what each kind says of its own options."""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from worker.durations import format_duration
from worker.settings.document import secrets_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic.fields import FieldInfo

    from worker.settings.kinds import AdapterKind


Section = Literal["providers", "targets"]

_HEAD: Final = """\
# Intake: what is read from where, and carried to whom. See what is wrong with it: intake check
# A value "env:NAME" is taken from the environment; secrets stand nowhere else. Lines with # may be said besides.

# [redis]
# url = "redis://localhost:6379/0"      # left out: an embedded Valkey, its data in .intake/
"""


@dataclass(slots=True)
class Wanted:
    """One account that is to stand in the file; `values` are its required keys, as they are written ("env:NAME")."""

    section: Section
    kind: str
    name: str
    values: dict[str, str] = field(default_factory=dict)
    #: Of a provider: the targets that its orders go to.
    to: list[str] = field(default_factory=list)

    def variable(self, key: str) -> str:
        """The environment variable that a key is taken from unless a person says another."""
        return re.sub(r"[^A-Z0-9]", "_", f"{self.name}_{key}".upper())


def required(kind: AdapterKind) -> Iterator[tuple[str, FieldInfo]]:
    """The keys that an account of this kind cannot do without, dotted where they stand in a table of their own."""
    if kind.default_url is None:
        yield "url", _URL
    certain = dict(_required(kind.Options))
    yield from certain.items()
    for name in _together(kind.Options, certain):
        yield name, kind.Options.model_fields[name]


def _together(model: type[BaseModel], certain: Mapping[str, FieldInfo]) -> list[str]:
    """The keys that a model demands although each alone may be left out: those that its refusal names."""
    tried: dict[str, Any] = {}
    for key in certain:
        table, _, name = key.rpartition(".")
        (tried.setdefault(table, {}) if table else tried)[name] = "x" * 24
    try:
        model.model_validate(tried)
    except ValidationError as error:
        said = " ".join(it["msg"] for it in error.errors() if not it["loc"])
        unset = (name for name, info in model.model_fields.items() if not info.is_required() and info.default is None)
        return [name for name in unset if re.search(rf"\b{name}\b", said)]
    return []


def _required(model: type[BaseModel], before: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, info in model.model_fields.items():
        key = f"{before}{info.alias or name}"
        if not info.is_required():
            continue
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from _required(info.annotation, f"{key}.")
        else:
            yield key, info


class _Url(BaseModel):
    url: str


_URL: Final = _Url.model_fields["url"]


def text(accounts: list[Wanted], kinds: Mapping[Section, Mapping[str, AdapterKind]]) -> str:
    """The whole file."""
    parts = [_HEAD, *("\n".join(_account(it, kinds[it.section][it.kind])) + "\n" for it in accounts)]
    providers = [it for it in accounts if it.section == "providers"]
    # Of two providers the ids may meet in a target; in a system that is read as well, ours must be known from others.
    both = {it.kind for it in providers} & {it.kind for it in accounts if it.section == "targets"}
    reference = "{provider}:{external_id}" if len(providers) > 1 or both else "{external_id}"
    parts += [
        f'[[routes]]\nfrom = "{it.name}"\nto = {json.dumps(it.to)}\n'
        f'reference = "{reference}"      # what the targets know an order by\n'
        '# only = { status = ["new", "paid"] }  # left out: all orders\n'
        '# on_change = "update"                 # or "hold", "ignore": an order that changes after its delivery\n'
        for it in providers
    ]
    return "\n".join(parts)


def _account(wanted: Wanted, kind: AdapterKind) -> Iterator[str]:
    yield f"[{wanted.section}.{wanted.name}]"
    yield f"kind = {_toml(wanted.kind)}"
    secrets, tables, needed = secrets_of(kind.Options), dict[str, list[str]](), dict(required(kind))
    for key in needed:
        value = wanted.values.get(key, f"env:{wanted.variable(key)}")
        table, _, name = key.rpartition(".")
        if table:
            tables.setdefault(table, []).append(f"{name} = {_toml(value)}")
        else:
            yield f"{key} = {_toml(value)}{'      # a secret: it stays in the environment' if key in secrets else ''}"
    yield from _optional(wanted, kind, needed)
    for table, lines in tables.items():
        yield f"[{wanted.section}.{wanted.name}.{table}]"
        yield from lines


def _optional(wanted: Wanted, kind: AdapterKind, needed: Mapping[str, FieldInfo]) -> Iterator[str]:
    """What may be said besides, as comments: with the default, or … where there is none."""
    if (url := kind.default_url) is not None:
        yield f"# url = {_toml(url)}"
    allowed = f"      # at most {kind.documented_limit}" if kind.documented_limit else ""
    yield f"# limit = {_toml(kind.default_limit)}{allowed}"
    if wanted.section == "providers":
        every: float = getattr(kind, "default_poll_every", 300.0)
        yield f'# poll_every = "{format_duration(every)}"'
        yield '# look_back = "30d"      # how far the first poll reads'
    else:
        yield "# concurrency = 2"
        yield "# max_tries = 12"
    # A docstring that a class did not write itself is pydantic's.
    said = kind.Options.__dict__.get("__doc__")
    for line in textwrap.wrap(" ".join(inspect.cleandoc(said).split()), 110) if said else ():
        yield f"#   {line}"
    for name, info in kind.Options.model_fields.items():
        if not info.is_required() and name not in needed:
            yield _default(info.alias or name, info)


def _default(key: str, info: FieldInfo) -> str:
    value = info.get_default(call_default_factory=True)
    notes = [info.description] if info.description else []
    if choices := _choices(info.annotation):
        notes.append("one of " + ", ".join(map(_toml, choices)))
    told = _toml(value)
    if told == "…":
        notes.insert(0, "left out: none")
    return f"# {key} = {told}" + (f"      # {'; '.join(notes)}" if notes else "")


def _choices(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return next((found for part in get_args(annotation) if (found := _choices(part))), ())


def _toml(value: Any) -> str:
    """The value as TOML writes it; … for what cannot be written down."""
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
