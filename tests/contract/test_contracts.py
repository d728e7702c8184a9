"""Every registered adapter keeps its whole contract, checked with the plug-in that third-party adapters use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from worker.lab.conformance.cases import cases
from worker.systems.providers import provider_kinds
from worker.systems.targets import target_kinds
from worker.systems.webhooks import webhook_kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

RECORDINGS = Path(__file__).with_name("recordings")


def test_a_registered_adapter_keeps_its_contract(intake_contract: Callable[[], None]) -> None:
    intake_contract()


def test_no_registered_adapter_is_left_out() -> None:
    checked = {(sort, case.kind) for sort, case in cases(RECORDINGS)}
    registered: dict[str, Iterable[str]] = {
        "providers": provider_kinds(),
        "targets": target_kinds(),
        "webhooks": webhook_kinds(),
    }
    assert checked == {(sort, kind) for sort, kinds in registered.items() for kind in kinds}
