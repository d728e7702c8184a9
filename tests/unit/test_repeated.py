"""A test that only `make prove` runs names the test of `make test` that keeps the same promise."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
MARKS = {"repeat", "soak"}


def marks(node: ast.FunctionDef, module: ast.Module) -> set[str]:
    """Return the marks that keep the whole test, with all of its parameters, out of `make test`."""
    found = [each.value for each in module.body if isinstance(each, ast.Assign) and "pytestmark" in ast.unparse(each)]
    return MARKS & {name for each in (*found, *node.decorator_list) for name in _names(each)}


def _names(node: ast.expr) -> list[str]:
    elements = node.elts if isinstance(node, ast.List) else [node]
    return [each.attr for each in elements if isinstance(each, ast.Attribute)]


def read() -> dict[str, list[tuple[str, set[str]]]]:
    """Return the docstring and the marks of each test by its name, which several tests may have."""
    tests: dict[str, list[tuple[str, set[str]]]] = {}
    for path in TESTS.rglob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        if not any(f"mark.{mark}" in text for mark in MARKS):
            for name in re.findall(r"(?m)^(?:async )?def (test_\w+)", text):
                tests.setdefault(name, []).append(("", set()))
            continue
        module = ast.parse(text)
        for node in module.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                tests.setdefault(node.name, []).append((ast.get_docstring(node) or "", marks(node, module)))
    return tests


def test_each_repeated_test_names_one_that_make_test_runs() -> None:
    tests, files = read(), {path.stem for path in TESTS.rglob("test_*.py")}
    repeated = {name: text for name, each in tests.items() for text, found in each if "repeat" in found}
    assert len(repeated) > 20
    run = {name for name, each in tests.items() if any(not found for _, found in each)}
    for name, text in repeated.items():
        assert "`make test`" in text, f"{name} does not say which test of `make test` keeps the promise"
        named = set(re.findall(r"`(test_\w+)(?:\.py)?`", text))
        assert named <= run | files, f"{name} names {named - run - files}, which `make test` does not run"
