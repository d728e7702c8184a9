"""The checks for each registered adapter, with its recordings."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from worker.lab.conformance import bulk, comparison, providers, targets, updates, webhooks
from worker.lab.conformance.stage import Case, promises
from worker.systems.providers import BUILT_IN as PROVIDERS
from worker.systems.providers import provider_kinds
from worker.systems.target import Target
from worker.systems.targets import BUILT_IN as TARGETS
from worker.systems.targets import target_kinds
from worker.systems.webhooks import BUILT_IN as WEBHOOKS
from worker.systems.webhooks import webhook_kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from types import ModuleType


def suites(sort: str, adapter: type[Any]) -> list[ModuleType]:
    """Return the suites for an adapter of the sort `providers`, `targets` or `webhooks`, by its capabilities."""
    if sort != "targets":
        return [providers if sort == "providers" else webhooks]
    can_be_compared = adapter.view is not Target.view or adapter.reader_options is not Target.reader_options
    optional = {bulk: adapter.bulk > 1, updates: adapter.updates, comparison: can_be_compared}
    return [targets, *(suite for suite, applies in optional.items() if applies)]


def cases(recordings: Path) -> Iterator[tuple[str, Case]]:
    """Yield every registered adapter with its sort, except built-in ones that `recordings` has no folder for."""
    registered: tuple[tuple[str, Mapping[str, type[Any]], Mapping[str, str]], ...] = (
        ("providers", provider_kinds(), PROVIDERS),
        ("targets", target_kinds(), TARGETS),
        ("webhooks", webhook_kinds(), WEBHOOKS),
    )
    for sort, kinds, ours in registered:
        for kind, adapter in kinds.items():
            folder = recordings / sort / kind
            if folder.is_dir() or kind not in ours:
                yield sort, Case.of(folder, sort, kind, adapter)


def checks(recordings: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Return every check of every adapter, by the names of both."""
    for sort, case in cases(recordings):
        for suite in suites(sort, case.adapter):
            for name, check in promises(suite).items():
                yield f"{sort}-{case.kind}-{name}", partial(check, case)
