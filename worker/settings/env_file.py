"""A file with variables that the settings name: `NAME=VALUE` in each line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LINE: Final = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
#: The permissions that let other users read a file.
_OTHERS: Final = 0o044


def with_env_file(
    values: Mapping[str, Any], folder: Path, environ: Mapping[str, str]
) -> tuple[Mapping[str, str], Path | None, list[tuple[str, str]]]:
    """Return the environment with the variables of the file that `[secrets] env_file` names.

    Return the file as well, or None, and its problems: a reason and a remedy each.
    """
    table = values.get("secrets")
    name = table.get("env_file") if isinstance(table, dict) else None
    if not isinstance(name, str) or not name:
        return environ, None, []
    variables, problems = _read(folder / name, name)
    added = {variable: value for variable, value in variables.items() if not environ.get(variable, "").strip()}
    return {**environ, **added}, folder / name, problems


def _read(path: Path, name: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    try:
        variables, wrong = parse_env_file(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}, [(f"the file {name} does not exist", "Create it, with one NAME=VALUE in each line.")]
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or "it is not UTF-8 text").lower()
        return {}, [(f"the file {name} cannot be read: {reason}", "Make it a text file that Intake may read.")]
    return variables, [(f"line {number} of {name} {reason}", "Write NAME=VALUE.") for number, reason in wrong]


def parse_env_file(text: str) -> tuple[dict[str, str], list[tuple[int, str]]]:
    """Return the variables in a text, and the number of each wrong line with a reason that quotes nothing of it.

    Blank lines and lines that begin with # are skipped, and so is "export " before a name. A value is taken as it is,
    without the blanks and the quotes around it. Nothing is expanded.
    """
    variables, lines, wrong = dict[str, str](), dict[str, int](), list[tuple[int, str]]()
    for number, line in enumerate(text.splitlines(), 1):
        if not (stripped := line.strip()) or stripped.startswith("#"):
            continue
        match = _LINE.fullmatch(stripped)
        value = _unquote(match[2]) if match else None
        if match is None:
            wrong.append((number, "is not NAME=VALUE"))
        elif value is None:
            wrong.append((number, "has a quote that does not end"))
        elif match[1] in variables:
            wrong.append((number, f"repeats the name of line {lines[match[1]]}"))
        else:
            variables[match[1]], lines[match[1]] = value, number
    return variables, wrong


def _unquote(value: str) -> str | None:
    """Return a value without its quotes; None if they do not fit."""
    if value[:1] not in {'"', "'"}:
        return value
    quote, inner = value[0], value[1:-1]
    return inner if len(value) > 1 and value[-1] == quote and quote not in inner else None


def is_readable_by_others(path: Path) -> bool:
    """Return whether other users of this machine may read a file."""
    try:
        return bool(path.stat().st_mode & _OTHERS)
    except OSError:
        return False
