"""A check that cannot fail proves nothing: each has somebody who must trip it, in every registered adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import provider_saboteurs
import provider_suite
import pytest
import target_saboteurs
import target_suite
from stage import Case, promises

from worker.errors import IntakeError
from worker.providers import provider_kinds
from worker.targets import target_kinds

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

SORTS = (
    ("providers", provider_suite, provider_saboteurs.SABOTEURS, provider_kinds()),
    ("targets", target_suite, target_saboteurs.SABOTEURS, target_kinds()),
)
TRIPS = [
    pytest.param(promises(suite)[check], saboteur, case, id=f"{sort}-{case.kind}-{saboteur.__name__}-{check}")
    for sort, suite, saboteurs, kinds in SORTS
    for case in (Case.of(sort, kind, adapter) for kind, adapter in kinds.items())
    for check, against in saboteurs.items()
    for saboteur in against
    if sort == "providers" or check not in target_saboteurs.SPARED or not target_saboteurs.SPARED[check](case)
]


@pytest.mark.parametrize(("sort", "suite", "saboteurs", "kinds"), SORTS, ids=["providers", "targets"])
def test_no_check_lacks_a_saboteur(sort: str, suite: ModuleType, saboteurs: dict[str, Any], kinds: object) -> None:
    assert {check for check, against in saboteurs.items() if against} == promises(suite).keys()


@pytest.mark.parametrize(("check", "saboteur", "case"), TRIPS)
def test_a_saboteur_does_not_get_through(
    check: Callable[[Case], None], saboteur: Callable[[Case], Case], case: Case
) -> None:
    with pytest.raises((AssertionError, IntakeError)):
        check(saboteur(case))
