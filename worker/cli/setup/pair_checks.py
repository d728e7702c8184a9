"""Check that the provider and the target of each route can meet: that one has what the other needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.cli.setup.account_checks import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.runtime import Adapters
    from worker.systems.provider import Provider
    from worker.systems.target import Target


def examine_pairs(adapters: Adapters) -> Iterator[Finding]:
    """Yield what the target of a route needs and its provider never has. Make no call."""
    for route in adapters.settings.routes:
        provider = adapters.providers[route.source]
        for name in route.targets:
            yield from examine_pair(provider, adapters.targets[name])


def examine_pair(provider: Provider, target: Target) -> Iterator[Finding]:
    """Yield a finding for each remedy: fields that one setting helps with are named together."""
    lacks, route = provider.lacks(), f"route {provider.name} > {target.name}"
    fields: dict[tuple[str, bool], list[str]] = {}
    for need in target.needs():
        if need.field in lacks:
            fields.setdefault((need.remedy, need.required), []).append(need.field)
    for (remedy, required), names in fields.items():
        missing = f"no order of {provider.name} ({provider.kind}) has {', '.join(names)}"
        if required:
            detail = f"{missing}, which {target.name} ({target.kind}) requires: every order would be held"
            yield Finding(route, "wrong", detail, remedy)
        else:
            yield Finding(route, "warning", f"{missing}, which {target.name} ({target.kind}) shows", remedy)
