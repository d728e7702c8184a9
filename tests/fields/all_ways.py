"""All ways of all fields: what each provider reads and each target writes, and the pages that show it."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from fields.reading import way_in
from fields.systems import adapters, full_order, full_record
from fields.tables import System, index, pair
from fields.writing import IDENTITY, way_out

if TYPE_CHECKING:
    from schemas.order import Order
    from worker.systems.target import Target


@cache
def systems() -> tuple[dict[str, System], dict[str, System]]:
    """Return what every provider does with each field of its full record, and every target with each of an order."""
    order = full_order()
    with adapters() as (providers, targets):
        return (
            {
                kind: System(kind, way_in(provider, full_record(kind)), _reasons(kind, "UNREAD"))
                for kind, provider in providers.items()
            },
            {kind: _destination(kind, target, order) for kind, target in targets.items()},
        )


def pages() -> dict[str, str]:
    """Return the page of every pair, by its file name."""
    sources, destinations = systems()
    return {"index.md": "\n".join(index(sources, tuple(destinations))) + "\n"} | {
        f"{source.kind}-to-{target.kind}.md": "\n".join(pair(source, target)) + "\n"
        for source in sources.values()
        for target in destinations.values()
    }


def _destination(kind: str, target: Target, order: Order) -> System:
    reasons = _reasons(kind, "DROPPED")
    ways = way_out(target, order, System(kind, {}, reasons).reason)
    return System(kind, ways | {name: set() for name in IDENTITY}, reasons)


def _reasons(kind: str, name: str) -> dict[str, str]:
    module = f"worker.systems.{kind}.dropped"
    return getattr(import_module(module), name, {}) if find_spec(module) else {}
