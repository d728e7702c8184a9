"""Every registered target that has a capability against the suite of it, and the saboteurs of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bulk_suite
import pytest
import update_suite
from capability_saboteurs import OF_BULK, OF_UPDATES
from stage import Case, promises

from worker.errors import IntakeError
from worker.targets import target_kinds

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

CAPABLE = (
    (bulk_suite, OF_BULK, {kind: target for kind, target in target_kinds().items() if target.bulk > 1}),
    (update_suite, OF_UPDATES, {kind: target for kind, target in target_kinds().items() if target.updates}),
)
CHECKS = [
    pytest.param(check, Case.of("targets", kind, target), id=f"{kind}-{name}")
    for suite, _, kinds in CAPABLE
    for name, check in promises(suite).items()
    for kind, target in kinds.items()
]
TRIPS = [
    pytest.param(
        promises(suite)[check], saboteur, Case.of("targets", kind, target), id=f"{kind}-{saboteur.__name__}-{check}"
    )
    for suite, saboteurs, kinds in CAPABLE
    for check, against in saboteurs.items()
    for saboteur in against
    for kind, target in kinds.items()
]


@pytest.mark.parametrize(("check", "case"), CHECKS)
def test_a_target_holds_to_what_it_says_it_can(check: Callable[[Case], None], case: Case) -> None:
    check(case)


@pytest.mark.parametrize(("suite", "saboteurs"), [row[:2] for row in CAPABLE], ids=["bulk", "updates"])
def test_no_check_of_a_capability_lacks_a_saboteur(suite: ModuleType, saboteurs: dict[str, object]) -> None:
    assert {check for check, against in saboteurs.items() if against} == promises(suite).keys()


@pytest.mark.parametrize(("check", "saboteur", "case"), TRIPS)
def test_a_saboteur_of_a_capability_does_not_get_through(
    check: Callable[[Case], None], saboteur: Callable[[Case], Case], case: Case
) -> None:
    with pytest.raises((AssertionError, IntakeError)):
        check(saboteur(case))
