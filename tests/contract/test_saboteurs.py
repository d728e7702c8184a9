"""Every check has a saboteur that must fail it, for every registered adapter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from contract.capability_saboteurs import OF_BULK, OF_UPDATES
from contract.comparison_saboteurs import SABOTEURS as OF_COMPARISON
from contract.provider_saboteurs import SABOTEURS as OF_PROVIDERS
from contract.target_saboteurs import EXEMPT
from contract.target_saboteurs import SABOTEURS as OF_TARGETS
from contract.webhook_saboteurs import SABOTEURS as OF_WEBHOOKS
from worker.errors import IntakeError
from worker.lab.conformance import bulk, comparison, providers, targets, updates, webhooks
from worker.lab.conformance.cases import cases, suites
from worker.lab.conformance.stage import Case, promises

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

RECORDINGS = Path(__file__).with_name("recordings")
SABOTEURS: dict[ModuleType, dict[str, Any]] = {
    providers: OF_PROVIDERS,
    targets: OF_TARGETS,
    bulk: OF_BULK,
    updates: OF_UPDATES,
    comparison: OF_COMPARISON,
    webhooks: OF_WEBHOOKS,
}
TRIPS = [
    pytest.param(promises(suite)[check], saboteur, case, id=f"{sort}-{case.kind}-{saboteur.__name__}-{check}")
    for sort, case in cases(RECORDINGS)
    for suite in suites(sort, case.adapter)
    for check, against in SABOTEURS[suite].items()
    for saboteur in against
    if suite is not targets or check not in EXEMPT or not EXEMPT[check](case)
]


@pytest.mark.parametrize("suite", SABOTEURS, ids=lambda suite: suite.__name__)
def test_no_check_lacks_a_saboteur(suite: ModuleType) -> None:
    assert {check for check, against in SABOTEURS[suite].items() if against} == promises(suite).keys()


@pytest.mark.parametrize(("check", "saboteur", "case"), TRIPS)
def test_a_saboteur_fails_its_check(
    check: Callable[[Case], None], saboteur: Callable[[Case], Case], case: Case
) -> None:
    with pytest.raises((AssertionError, IntakeError)):
        check(saboteur(case))
