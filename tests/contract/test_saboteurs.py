"""Every check has a saboteur that must fail it, for every registered adapter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from contract.capability_saboteurs import OF_BULK, OF_UPDATES
from contract.comparison_saboteurs import SABOTEURS as OF_COMPARISON
from contract.provider_saboteurs import EXEMPT as PROVIDERS_EXEMPT
from contract.provider_saboteurs import SABOTEURS as OF_PROVIDERS
from contract.target_saboteurs import EXEMPT as TARGETS_EXEMPT
from contract.target_saboteurs import SABOTEURS as OF_TARGETS
from contract.webhook_saboteurs import SABOTEURS as OF_WEBHOOKS
from worker.errors import IntakeError
from worker.lab.conformance import bulk, comparison, providers, targets, updates, webhooks
from worker.lab.conformance.cases import cases, suites
from worker.lab.conformance.recorded import NotRecorded
from worker.lab.conformance.stage import Case, promises
from worker.systems.target import Target

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
EXEMPT: dict[ModuleType, dict[str, Callable[[Case], bool]]] = {
    providers: PROVIDERS_EXEMPT,
    targets: TARGETS_EXEMPT,
}
#: Checks of a capability that an adapter lacks.
NOT_APPLICABLE: dict[str, Callable[[Case], bool]] = {
    "an_existing_order_is_a_success_and_reported_as_existing": lambda case: not case.adapter.dedupes,
    "an_order_that_may_exist_is_never_reported_absent": lambda case: case.adapter.absent is Target.absent,
    "a_signature_covers_the_body": lambda case: case.adapter.sends_secret,
}


def _applies(rules: dict[str, Callable[[Case], bool]], check: str, case: Case) -> bool:
    return check in rules and rules[check](case)


TRIPS = [
    pytest.param(promises(suite)[check], saboteur, case, id=f"{sort}-{case.kind}-{saboteur.__name__}-{check}")
    for sort, case in cases(RECORDINGS)
    for suite in suites(sort, case.adapter)
    for check, against in SABOTEURS[suite].items()
    for saboteur in against
    if not _applies(EXEMPT.get(suite, {}), check, case)
]
#: Checks of the class alone, and of views of orders that the suite has itself.
WITHOUT_RECORDINGS = {"its_kind_is_the_name_of_its_module_or_package"}
CHECKS = [
    pytest.param(check, case, id=f"{sort}-{case.kind}-{name}")
    for sort, case in cases(RECORDINGS)
    for suite in suites(sort, case.adapter)
    for name, check in promises(suite).items()
    if name not in WITHOUT_RECORDINGS and not _applies(NOT_APPLICABLE, name, case)
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


@pytest.mark.parametrize(("check", "case"), CHECKS)
def test_no_check_passes_without_recordings(check: Callable[[Case], None], case: Case) -> None:
    """Require that each check fails without recordings, and says what to record."""
    with pytest.raises(
        NotRecorded, match=r"^not checked: record (providers|targets|webhooks)/\w+/\w+\.json: .*adapters\.md"
    ):
        check(replace(case, account={}, scenes={}))


def test_a_missing_recording_is_described_with_its_keys() -> None:
    for sort, case in cases(RECORDINGS):
        names = {"providers": "inserted", "targets": "created", "webhooks": "accepted"}
        with pytest.raises(
            NotRecorded, match=rf"record {sort}/{case.kind}/{names[sort]}\.json: \w.* Its keys: shows, "
        ):
            replace(case, scenes={}).scenes[names[sort]]
