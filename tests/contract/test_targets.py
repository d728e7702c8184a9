"""Every registered target against the whole suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import target_suite
from stage import Case, promises

from worker.targets import target_kinds

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKS = promises(target_suite)


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("kind", target_kinds())
def test_a_target_holds_to_its_contract(kind: str, check: Callable[[Case], None]) -> None:
    check(Case.of("targets", kind, target_kinds()[kind]))
