"""The text of `intake.toml`: read it, fill in the environment, and collect its errors in plain words."""

from __future__ import annotations

import difflib
import re
import tomllib
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from worker.errors import ConfigError
from worker.settings.env_file import with_env_file
from worker.settings.fingerprint import fingerprint
from worker.settings.needs import EVERYTHING
from worker.settings.secret_files import FILE, FileSecret, SecretFileError
from worker.settings.tables import MAY_BE_SECRET, SettingError, fields_of, keys_with, names_at, secrets_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pydantic_core import ErrorDetails

    from worker.settings.map_files import MappedOptions
    from worker.settings.needs import Needs

#: The path of a value: `("routes", 0, "to")`.
Key = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)

_VARIABLE: Final = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")
#: The form of a name, and the error for a name of another form.
NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
NO_NAME: Final = ("is not a name", "Use a-z, 0-9 and -, at most 41, and begin with a letter or a digit.")
_AT_END: Final = "(at end of document)"
#: The reason and the remedy for each kind of error of pydantic; {…} is filled in from the context of the error.
_MESSAGES: Final[dict[str, tuple[str, str]]] = {
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


class ConfigErrors(ConfigError):
    """All errors of the settings, each on its own line."""

    def __init__(self, problems: list[ConfigError]) -> None:
        first = problems[0]
        super().__init__(first.file, first.key, first.reason, first.remedy)
        self.problems = problems
        self.args = ("\n".join(map(str, problems)),)


class Document:
    """A settings file, and the errors found in it so far."""

    def __init__(self, file: str, text: str, environ: Mapping[str, str], needs: Needs = EVERYTHING) -> None:
        values = tomllib.loads(text)
        self.file, self.text, self.fingerprint = file, text, fingerprint(values)
        self._needs = needs
        #: The folder of the file: other files are named relative to it.
        self.folder = Path(file).absolute().parent
        self.problems: list[ConfigError] = []
        #: The options of the accounts that have maps in files, by the key of their table.
        self.mapped: dict[Key, MappedOptions] = {}
        #: The keys whose values come from the environment or a file of their own, also if there is none.
        self.from_outside: set[Key] = set()
        self._unset: dict[Key, ConfigError] = {}
        #: The name of the outgoing address of this process: limits per address count for each name.
        self.address = environ.get("INTAKE_ADDRESS", "").strip() or "address"
        if not NAME.fullmatch(self.address):
            remedy = "Use a-z, 0-9 and -, at most 41: INTAKE_ADDRESS=nat-a."
            self.add_error(("INTAKE_ADDRESS",), "the environment variable INTAKE_ADDRESS is not a name", remedy)
        environ, self.env_file, wrong = with_env_file(values, self.folder, environ)
        for reason, remedy in wrong:
            self._note_unset(("secrets", "env_file"), reason, remedy)
        self.values: dict[str, Any] = self._fill_in(values, (), environ)

    def _fill_in(self, value: Any, key: Key, environ: Mapping[str, str]) -> Any:
        if isinstance(value, dict):
            return {name: self._fill_in(item, (*key, name), environ) for name, item in value.items()}
        if isinstance(value, list):
            return [self._fill_in(item, (*key, number), environ) for number, item in enumerate(value)]
        if not isinstance(value, str) or not value.startswith("env:"):
            return value
        if (match := _VARIABLE.fullmatch(value)) is None:
            self.add_error(key, "names no environment variable", "Write env:NAME, with letters, digits and _ only.")
            self._unset[key] = self.problems[-1]
        elif text := environ.get(match[1], "").strip():
            self.from_outside.add(key)
            return text
        else:
            state = "is empty" if match[1] in environ else "is not set"
            reason = f"the environment variable {match[1]} {state}"
            remedy = f"Set it before the start: export {match[1]}=…"
            self._note_unset(key, reason, f"Add to {self.env_file.name}: {match[1]}=…" if self.env_file else remedy)
        self.from_outside.add(key)
        if self.may_lack(key) and key[-1] == "url" and key[0] != "redis":
            return f"https://{'.'.join(map(str, key))}.invalid"  # an address of its own, which nobody calls
        return value

    def _note_unset(self, key: Key, reason: str, remedy: str) -> None:
        """Note that the value at `key` is not there: an error now, later, or never (see `Needs`)."""
        self._unset[key] = ConfigError(self.file, format_key(key), reason, remedy)
        if not self.may_lack(key) and key[0] not in self._needs.unkeyed:
            self.problems.append(self._unset[key])

    def may_lack(self, key: Key) -> bool:
        """Return whether a variable, a file or a map for this key may be missing."""
        return self._needs.may_lack(str(key[0]))

    def _require_values(self, table: Mapping[str, Any], at: Key, secrets: Collection[str]) -> None:
        """Add the errors of values that are not there in a table of which only the secrets may be missing."""
        if at[0] not in self._needs.unkeyed:
            return
        for key, error in self._unset.items():
            name = key[len(at)] if key[: len(at)] == at and len(key) > len(at) else None
            if name in table and name not in secrets and error not in self.problems:
                self.problems.append(error)

    @property
    def unset(self) -> frozenset[str]:
        """The keys of all values that are not there, as people write them."""
        return frozenset(map(format_key, self._unset))

    def unset_in(self, table: Key) -> frozenset[str]:
        """Return the keys of a table whose values are not there."""
        return frozenset(str(key[-1]) for key in self._unset if key[:-1] == table)

    def with_secret_files(self, model: type[BaseModel], table: Any, at: Key) -> Any:
        """Return the table with the secret in each file that one of its keys names: `file:/run/secrets/NAME`.

        It follows the file from then on; an address with a password is text, and stays as it was at the start.
        """
        if not isinstance(table, dict):
            return table
        secrets, texts = secrets_of(model), keys_with(model, MAY_BE_SECRET)
        self._require_values(table, at, secrets)
        read = {
            key: self._read_secret((*at, key), value, is_text=key in texts)
            for key, value in table.items()
            if key in secrets and str(value).startswith(FILE) and (*at, key) not in self._unset
        }
        return {**table, **read}

    def _read_secret(self, key: Key, value: str, *, is_text: bool) -> str | FileSecret:
        self.from_outside.add(key)
        name = value.removeprefix(FILE)
        try:
            secret = FileSecret(self.folder / name)
        except SecretFileError as error:
            self._note_unset(key, f"the file {name or 'without a name'} {error}", "Write the secret into it.")
            return value
        return secret.get_secret_value() if is_text else secret

    def add_error(self, key: Key, reason: str, remedy: str) -> None:
        """Add an error of the value at `key`."""
        self.problems.append(ConfigError(self.file, format_key(key), reason, remedy))

    def add_literal_secret(self, key: Key) -> None:
        """Add the error of a secret that is written in the file itself."""
        variable = re.sub(r"[^A-Z0-9]", "_", "_".join(map(str, key[-2:])).upper())
        remedy = f'Put it into the environment and write {key[-1]} = "env:{variable}".'
        self.add_error(key, "is a secret, and is written in the file itself", remedy)

    def add_unknown(self, key: Key, known: Iterable[str]) -> None:
        """Add the error of an unknown key, with the most similar of the `known` names."""
        names = sorted(known)
        near = difflib.get_close_matches(str(key[-1]), names, n=1)
        self.add_error(
            key, "is not a setting", f"Did you mean {near[0]}?" if near else f"Choose from: {', '.join(names)}."
        )

    def read(self, model: type[M], table: Any, at: Key) -> M | None:
        """Return the table at `at` as a `model`; add its errors and return None if it is not valid."""
        table, context = self.with_secret_files(model, table, at), {"folder": self.folder}
        try:
            return model.model_validate(table, context=context)
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
        if self.may_lack(at) and (lesser := self._without_unset(model, table, at, details)):
            with suppress(ValidationError):
                return model.model_validate(lesser, context=context)
        for detail in details:
            self._add_detail(model, at, detail)
        return None

    def _without_unset(
        self, model: type[BaseModel], table: Mapping[str, Any], at: Key, details: Iterable[ErrorDetails]
    ) -> dict[str, Any]:
        """Return a table that is valid if only values are to blame that may be missing; an empty one if others are.

        Such a value is left out or, where the model requires it, becomes the name of its variable.
        """
        blamed = {str(detail["loc"][0]) for detail in details if detail["loc"]}
        if not blamed or any((*at, key) not in self._unset for key in blamed):
            return {}
        required = {key for key, field in fields_of(model).items() if field.is_required()}
        names = {key: str(table[key]).removeprefix("env:") for key in blamed & required}
        return {key: value for key, value in table.items() if key not in blamed} | names

    def section(self, model: type[M], name: str) -> M:
        """Return the table `name` of the file as a `model`; the defaults of the model without a valid table."""
        return self.read(model, self.values.get(name, {}), (name,)) or model()

    def tables(self, section: str) -> dict[str, Any]:
        """Return the tables of a section by name; none if the section is missing or invalid."""
        tables = self.values.get(section)
        return tables if isinstance(tables, dict) else {}

    def _add_detail(self, model: type[BaseModel], at: Key, detail: ErrorDetails) -> None:
        key, kind, context = (*at, *detail["loc"]), detail["type"], detail.get("ctx", {})
        if (unset := next((error for at, error in self._unset.items() if key[: len(at)] == at), None)) is not None:
            if unset not in self.problems:
                self.problems.append(unset)
            return
        if kind == "extra_forbidden":
            self.add_unknown(key, names_at(model, detail["loc"][:-1]))
        elif kind == "missing":
            self.add_error(key, "is missing", _how_to_add(model, key))
        elif isinstance(cause := context.get("error"), SettingError):
            self.add_error(key, cause.reason, cause.remedy)
        elif kind in _MESSAGES:
            reason, remedy = _MESSAGES[kind]
            self.add_error(key, reason, remedy.format(**context))
        else:
            message = detail["msg"].removeprefix("Value error, ")
            self.add_error(key, message[:1].lower() + message[1:], "Correct the value.")

    def raise_errors(self) -> None:
        """Raise ConfigErrors if there are any errors."""
        if self.problems:
            raise ConfigErrors(self.problems)


def read_file(
    path: Path, environ: Mapping[str, str], *, copy: Path | None = None, needs: Needs = EVERYTHING
) -> Document:
    """Read the settings at `path`, or those of its copy; raise ConfigError if the file is not there or is not TOML."""
    file = str(path)
    unusable = partial(ConfigError, file, "(the file)")
    try:
        text = (copy or path).read_bytes().decode("utf-8-sig")
        return Document(file, text, environ, needs)
    except FileNotFoundError:
        remedy = "Write it (intake init asks for what it needs), or name another one with --config or $INTAKE_CONFIG."
        raise unusable("does not exist", remedy) from None
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise unusable(f"cannot be read: {reason}", "Make it a file that you may read.") from None
    except UnicodeDecodeError:
        raise unusable("is not UTF-8 text", "Save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise unusable(f"is not TOML: {_place(str(error), text)}", "Correct that line.") from None


def format_key(key: Key) -> str:
    """Return a key as people write it: `routes[0].to`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key).removeprefix(".")


def _how_to_add(model: type[BaseModel], key: Key) -> str:
    name = str(key[-1])
    if name not in secrets_of(model):
        return f"Add {name} = …"
    variable = re.sub(r"[^A-Z0-9]", "_", f"{key[-2]}_{name}".upper())
    return f'Add {name} = "env:{variable}" and put the secret into the environment.'


def _place(message: str, text: str) -> str:
    """Return the message of the parser with a line and a column, also where it has only "at end of document"."""
    if not message.endswith(_AT_END):
        return message
    lines = text.split("\n")
    return message.replace(_AT_END, f"(at line {len(lines)}, column {len(lines[-1]) + 1})")
