"""The codes, events, alarms and reasons that the source code can show to a user."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
LOUD = {"warning", "error", "exception", "critical"}
#: Callables that refuse a setting, and the position of the reason among their arguments.
REFUSES = {"ConfigError": 2, "SettingError": 0, "AddressError": 0, "add_error": 1, "_refused": 1}


@cache
def trees() -> dict[str, ast.Module]:
    """Return the parsed modules of Intake without the simulated systems."""
    files = [*(ROOT / "worker").rglob("*.py"), *(ROOT / "tasks").rglob("*.py")]
    sources = [file for file in sorted(files) if "sandbox" not in file.parts]
    return {str(file.relative_to(ROOT)): ast.parse(file.read_text()) for file in sources}


def nodes() -> Iterator[ast.AST]:
    for tree in trees().values():
        yield from ast.walk(tree)


def codes() -> set[str]:
    """Return the codes of all errors: each is the `code` of a class."""
    values = set()
    for node in nodes():
        for line in node.body if isinstance(node, ast.ClassDef) else ():
            if not isinstance(line, ast.Assign | ast.AnnAssign) or not isinstance(line.value, ast.Constant):
                continue
            target = line.target if isinstance(line, ast.AnnAssign) else line.targets[0]
            if isinstance(target, ast.Name) and target.id == "code":
                values.add(str(line.value.value))
    return values - {"", "None"}


def events() -> set[str]:
    """Return the events that are logged at level warning or higher."""
    return {
        node.args[0].value
        for node in nodes()
        if isinstance(node, ast.Call)
        and _is_loud(node.func)
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    } | {
        value.value
        for node in ast.walk(trees()["worker/telemetry/log.py"])
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        # A line that the log writes of itself.
        if isinstance(key, ast.Constant) and key.value == "event"
        if isinstance(value, ast.Constant) and isinstance(value.value, str)
    }


def _is_loud(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id == "log_ending"
    return isinstance(function, ast.Attribute) and function.attr in LOUD and isinstance(function.value, ast.Name)


def alarms() -> set[str]:
    """Return the names of all alarms; for a composed name, its longest constant part."""
    names = set()
    for node in ast.walk(trees()["worker/watch/judgements.py"]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Judgement":
            severity = node.args[4] if len(node.args) > 4 else None
            if not (isinstance(severity, ast.Constant) and severity.value == "notice"):
                names.add(_longest(node.args[0]))
    return names


def reasons() -> set[str]:
    """Return the longest constant part of each reason for which a setting is refused."""
    texts = set()
    for node in nodes():
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if len(node.args) > REFUSES.get(name, 99):
                texts.add(_longest(node.args[REFUSES[name]]))
    for path, tree in trees().items():
        if path.startswith("worker/settings/"):
            texts |= _reasons_by_name(tree)
    return {reason for reason in texts if reason}


def _reasons_by_name(tree: ast.Module) -> set[str]:
    """Return the reasons that are assigned to a name before they are used."""
    texts = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "_MESSAGES":
            assert isinstance(node.value, ast.Dict)
            texts |= {_longest(pair.elts[0]) for pair in node.value.values if isinstance(pair, ast.Tuple)}
        elif isinstance(node, ast.Assign) and [getattr(name, "id", "") for name in node.targets] == ["reason"]:
            choices = [node.value.body, node.value.orelse] if isinstance(node.value, ast.IfExp) else [node.value]
            texts |= {_longest(choice) for choice in choices}
    return texts


def _longest(node: ast.AST) -> str:
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return max(texts, key=len, default="").strip(" :;,.(`")
