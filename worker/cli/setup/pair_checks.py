"""Check that the provider and the target of each route can meet: that one has what the other needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from worker.cli.setup.account_checks import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.runtime import Adapters
    from worker.systems.provider import Provider
    from worker.systems.target import Target


def examine_pairs(adapters: Adapters) -> Iterator[Finding]:
    """Yield what the target of a route needs and its provider never has. Make no call."""
    for route in adapters.settings.routes:
        provider = adapters.providers.get(route.source)
        if provider is None:  # a producer, whose orders may have any field
            continue
        for name in route.targets:
            yield from examine_pair(provider, adapters.targets[name])


def examine_pair(provider: Provider, target: Target) -> Iterator[Finding]:
    """Yield a finding for each remedy: fields that one setting helps with are named together."""
    lacks = provider.lacks()
    fields: dict[tuple[str, str, bool], list[str]] = {}
    for need in target.needs():
        if need.field in lacks:
            fields.setdefault((need.effect, need.remedy, need.required), []).append(need.field)
    for (effect, remedy, required), names in fields.items():
        what = f"no order of {provider.name} ({provider.kind}) has {', '.join(names)}"
        state: Literal["error", "warning"] = "error" if required else "warning"
        detail = f"{what}: at {target.name} ({target.kind}) {effect}"
        yield Finding(f"route {provider.name} > {target.name}", state, detail, remedy)
