"""Which checks are for which adapter: everything registered, with what was recorded of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from worker.lab.conformance import bulk, providers, targets, updates
from worker.lab.conformance.stage import Case, promises
from worker.systems.providers import BUILT_IN as PROVIDERS
from worker.systems.providers import provider_kinds
from worker.systems.targets import BUILT_IN as TARGETS
from worker.systems.targets import target_kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType


def suites(sort: str, adapter: type[Any]) -> list[ModuleType]:
    """The suites that an adapter of the `providers` or the `targets` is held to, by what it says it can."""
    if sort == "providers":
        return [providers]
    return [targets, *([bulk] if adapter.bulk > 1 else []), *([updates] if adapter.updates else [])]


def cases(recordings: Path) -> Iterator[tuple[str, Case]]:
    """Every registered adapter, but those of Intake itself that `recordings` says nothing of, with its sort."""
    for sort, kinds, ours in (("providers", provider_kinds(), PROVIDERS), ("targets", target_kinds(), TARGETS)):
        for kind, adapter in kinds.items():
            folder = recordings / sort / kind
            if folder.is_dir() or kind not in ours:
                yield sort, Case.of(folder, kind, adapter)


def checks(recordings: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Every check of every adapter, by a name that says both."""
    for sort, case in cases(recordings):
        for suite in suites(sort, case.adapter):
            for name, check in promises(suite).items():
                yield f"{sort}-{case.kind}-{name}", partial(check, case)
