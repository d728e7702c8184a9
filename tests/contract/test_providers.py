"""Every registered provider against the whole suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import provider_suite
import pytest
from stage import Case, promises

from worker.providers import provider_kinds

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKS = promises(provider_suite)


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("kind", provider_kinds())
def test_a_provider_holds_to_its_contract(kind: str, check: Callable[[Case], None]) -> None:
    check(Case.of("providers", kind, provider_kinds()[kind]))
