"""The mutations of `make mutate` still fit the code."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from mutation.mutations import ROOT, Mutation, mutations

if TYPE_CHECKING:
    from redis import Redis


@pytest.mark.parametrize("mutation", mutations(), ids=lambda mutation: mutation.name)
def test_a_mutation_fits_the_code_once_and_leaves_a_valid_program(mutation: Mutation, redis: Redis) -> None:
    broken = mutation.broken((ROOT / mutation.file).read_text(encoding="utf-8"))
    if mutation.file.endswith(".lua"):
        redis.script_load(broken)  # raises for an invalid script
    else:
        ast.parse(broken)


@pytest.mark.parametrize("mutation", mutations(), ids=lambda mutation: mutation.name)
def test_the_tests_that_must_detect_a_mutation_exist(mutation: Mutation) -> None:
    for argument in mutation.arguments():
        path, _, function = argument.partition("::")
        if path.startswith("tests/"):
            assert (
                f"def {function}(" in (ROOT / path).read_text(encoding="utf-8") if function else (ROOT / path).exists()
            )


def test_there_are_at_least_forty_mutations() -> None:
    assert len(mutations()) >= 40
