"""The mutations of `make mutate` still fit the code."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from mutation.mutations import ROOT, Mutation, mutations
from worker.store.redis.connection import ERRORS

if TYPE_CHECKING:
    from redis import Redis

_FAILURES: Final[tuple[type[Exception], ...]] = (OSError, SyntaxError, ValueError, *ERRORS)


def misfit(mutation: Mutation, redis: Redis) -> str:
    """Return why a mutation cannot be applied to leave a valid program, or an empty text."""
    try:
        broken = mutation.broken((ROOT / mutation.file).read_text(encoding="utf-8"))
        if mutation.file.endswith(".lua"):
            redis.script_load(broken)  # raises for an invalid script
        else:
            ast.parse(broken)
    except _FAILURES as error:
        return f"{mutation.name}: {error}"
    return ""


def lacking(mutation: Mutation) -> list[str]:
    """Return the tests that a mutation names and that do not exist."""
    absent = []
    for argument in mutation.arguments():
        path, _, function = argument.partition("::")
        if path.startswith("tests/"):
            file = ROOT / path
            if not (file.exists() and (not function or f"def {function}(" in file.read_text(encoding="utf-8"))):
                absent.append(f"{mutation.name}: {argument}")
    return absent


def test_each_mutation_fits_the_code_once_and_leaves_a_valid_program(redis: Redis) -> None:
    wrong = [why for mutation in mutations() if (why := misfit(mutation, redis))]
    assert not wrong, "\n".join(wrong)


def test_the_tests_that_must_detect_a_mutation_exist() -> None:
    missing = [test for mutation in mutations() for test in lacking(mutation)]
    assert not missing, "\n".join(missing)


def test_there_are_at_least_forty_mutations() -> None:
    assert len(mutations()) >= 40
