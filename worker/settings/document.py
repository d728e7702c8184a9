"""The text of `intake.toml`: reading it, filling in the environment, saying in words what is wrong."""

from __future__ import annotations

import difflib
import re
import tomllib
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from worker.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pydantic_core import ErrorDetails

#: Where a value stands: `("routes", 0, "to")`.
Key = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)

_VARIABLE: Final = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")
#: What an account may be called, and what to say where it is called otherwise.
NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
NO_NAME: Final = ("is not a name", "Use a-z, 0-9 and -, at most 41, and begin with a letter or a digit.")
_AT_END: Final = "(at end of document)"
#: Pydantic's names of errors, in words and with what to do; {…} is filled in from the error's own numbers.
_WORDS: Final[dict[str, tuple[str, str]]] = {
    "string_type": ("must be text", "Put it in quotes."),
    "int_type": ("must be a whole number", "Write it without quotes and without a dot."),
    "int_parsing": ("must be a whole number", "Write it without quotes and without a dot."),
    "int_from_float": ("must be a whole number", "Write it without quotes and without a dot."),
    "bool_type": ("must be true or false", "Write it without quotes."),
    "bool_parsing": ("must be true or false", "Write it without quotes."),
    "tuple_type": ("must be a list", 'Write it in brackets: ["…"].'),
    "list_type": ("must be a list", 'Write it in brackets: ["…"].'),
    "dict_type": ("must be a table", "Write its keys under a heading of their own, in brackets."),
    "model_type": ("must be a table", "Write its keys under a heading of their own, in brackets."),
    "too_short": ("is empty", "Name at least one."),
    "greater_than_equal": ("is too small", "Write {ge} or more."),
    "less_than_equal": ("is too large", "Write {le} or less."),
    "literal_error": ("is not one of the choices", "Write {expected}."),
    "enum": ("is not one of the choices", "Write {expected}."),
}


def listed(value: Any) -> Any:
    """One text may stand for a list of one."""
    return [value] if isinstance(value, str) else value


class Table(BaseModel):
    """What all tables of the settings have in common: frozen, unknown keys refused, no value in an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True)


class Wrong(ValueError):  # never leaves a validator: pydantic wraps it
    """What a validator of ours has against a value, and what to write instead; holds no part of the value."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


class ConfigErrors(ConfigError):  # several of them
    """Everything that is wrong with the settings, each on a line of its own."""

    def __init__(self, problems: list[ConfigError]) -> None:
        first = problems[0]
        super().__init__(first.file, first.key, first.reason, first.remedy)
        self.problems = problems
        self.args = ("\n".join(map(str, problems)),)


class Document:
    """One settings file, with what was found wrong with it so far."""

    def __init__(self, file: str, values: dict[str, Any], environ: Mapping[str, str]) -> None:
        self.file = file
        self.problems: list[ConfigError] = []
        #: The keys whose values came out of the environment, or would have.
        self.from_environment: set[Key] = set()
        self._unset: set[Key] = set()
        #: By which address this process goes out, where there are several: its limits per address are its own.
        self.address = environ.get("INTAKE_ADDRESS", "").strip() or "address"
        if not NAME.fullmatch(self.address):
            remedy = "Use a-z, 0-9 and -, at most 41: INTAKE_ADDRESS=nat-a."
            self.wrong(("INTAKE_ADDRESS",), "the environment variable INTAKE_ADDRESS is not a name", remedy)
        self.values: dict[str, Any] = self._filled(values, (), environ)

    def _filled(self, value: Any, key: Key, environ: Mapping[str, str]) -> Any:
        if isinstance(value, dict):
            return {name: self._filled(item, (*key, name), environ) for name, item in value.items()}
        if isinstance(value, list):
            return [self._filled(item, (*key, number), environ) for number, item in enumerate(value)]
        if not isinstance(value, str) or not value.startswith("env:"):
            return value
        if (found := _VARIABLE.fullmatch(value)) is None:
            self.wrong(key, "names no environment variable", "Write env:NAME, with letters, digits and _ only.")
        elif text := environ.get(found[1], "").strip():
            self.from_environment.add(key)
            return text
        else:
            state = "is empty" if found[1] in environ else "is not set"
            self.wrong(
                key, f"the environment variable {found[1]} {state}", f"Set it before the start: export {found[1]}=…"
            )
        self.from_environment.add(key)
        self._unset.add(key)
        return value

    def wrong(self, key: Key, reason: str, remedy: str) -> None:
        """Note that the value at `key` is wrong."""
        self.problems.append(ConfigError(self.file, dotted(key), reason, remedy))

    def refuse_literal(self, key: Key) -> None:
        """Note that a secret stands in the file itself."""
        variable = re.sub(r"[^A-Z0-9]", "_", "_".join(map(str, key[-2:])).upper())
        remedy = f'Put it into the environment and write {key[-1]} = "env:{variable}".'
        self.wrong(key, "is a secret, and stands in the file itself", remedy)

    def unknown(self, key: Key, known: Iterable[str]) -> None:
        """Note that nobody knows `key`, and which of the `known` names was probably meant."""
        names = sorted(known)
        near = difflib.get_close_matches(str(key[-1]), names, n=1)
        self.wrong(key, "is not a setting", f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(names)}.")

    def read(self, model: type[M], table: Any, at: Key) -> M | None:
        """Make `table`, which stands at `at`, a `model`; None, with the problems noted, if it is not one."""
        try:
            return model.model_validate(table)
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_input=False):
                self._note(model, at, detail)
            return None

    def _note(self, model: type[BaseModel], at: Key, detail: ErrorDetails) -> None:
        key, kind, context = (*at, *detail["loc"]), detail["type"], detail.get("ctx", {})
        if any(key[: len(unset)] == unset for unset in self._unset):
            return  # already said: its environment variable is missing
        if kind == "extra_forbidden":
            self.unknown(key, _names_at(model, detail["loc"][:-1]))
        elif kind == "missing":
            self.wrong(key, "is missing", _how_to_add(model, key))
        elif isinstance(cause := context.get("error"), Wrong):
            self.wrong(key, cause.reason, cause.remedy)
        elif kind in _WORDS:
            reason, remedy = _WORDS[kind]
            self.wrong(key, reason, remedy.format(**context))
        else:
            message = detail["msg"].removeprefix("Value error, ")
            self.wrong(key, message[:1].lower() + message[1:], "Correct the value.")

    def refuse_if_wrong(self) -> None:
        """Raise ConfigErrors if anything was noted."""
        if self.problems:
            raise ConfigErrors(self.problems)


def read_file(path: Path, environ: Mapping[str, str]) -> Document:
    """Read the settings at `path`; raises ConfigError if it is not there or not TOML."""
    file = str(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
        return Document(file, tomllib.loads(text), environ)
    except FileNotFoundError:
        raise ConfigError(
            file,
            "(the file)",
            "is not there",
            "Write it (intake init asks for what it needs), or name another one by --config or $INTAKE_CONFIG.",
        ) from None
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise ConfigError(
            file, "(the file)", f"cannot be read: {reason}", "Make it a file that you may read."
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(file, "(the file)", "is not UTF-8 text", "Save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            file, "(the file)", f"is not TOML: {_place(str(error), text)}", "Correct that line."
        ) from None


def dotted(key: Key) -> str:
    """Write a key as people read it: `routes[0].to`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key).removeprefix(".")


def names_of(model: type[BaseModel]) -> set[str]:
    """The keys that a table of this model may have in a file."""
    return {field.alias or name for name, field in model.model_fields.items()}


def secrets_of(model: type[BaseModel]) -> set[str]:
    """The keys of this model whose values are secrets."""
    return {field.alias or name for name, field in model.model_fields.items() if _is_secret(field.annotation)}


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_is_secret(part) for part in get_args(annotation))


def _names_at(model: type[BaseModel], path: tuple[str | int, ...]) -> set[str]:
    """The keys known at `path` inside `model`; those of the model itself if the path leads through no other one."""
    for part in path:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        inner = fields[part].annotation if part in fields else None
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            model = inner
    return names_of(model)


def _how_to_add(model: type[BaseModel], key: Key) -> str:
    name = str(key[-1])
    if name not in secrets_of(model):
        return f"Add {name} = …"
    variable = re.sub(r"[^A-Z0-9]", "_", f"{key[-2]}_{name}".upper())
    return f'Add {name} = "env:{variable}" and put the secret into the environment.'


def _place(message: str, text: str) -> str:
    """The parser's words with a line and a column, also where it only says "at end of document"."""
    if not message.endswith(_AT_END):
        return message
    lines = text.split("\n")
    return message.replace(_AT_END, f"(at line {len(lines)}, column {len(lines[-1]) + 1})")
