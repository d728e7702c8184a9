"""Single steps of a fake runtime that several tests take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.fake_runtime import FakeRuntime, Warehouse
    from worker.store.orders.drains import Outcome


def settle(rt: FakeRuntime[Any, Any], outcome: Outcome, meanwhile: Callable[[], object] = lambda: None) -> str:
    """Claim the only order, and settle it with this outcome after something happened; return its state."""
    with rt.lanes["t"].drain() as drain:
        claims = drain.claim(1)
        meanwhile()
        (state,) = drain.settle([(claim, outcome) for claim in claims])
        drain.leave()
    return state


def restart(rt: FakeRuntime[Any, Any]) -> None:
    """Make the runtime that of a new process, which reads its provider again and has confirmed its accounts."""
    rt.redis.delete("intake:cursor:shop")
    rt.installation.confirm()
    rt.settings = rt.installation.settings


def references(warehouse: Warehouse) -> list[str]:
    """Return the references of the orders that were created, in their order."""
    return [reference for reference, _ in warehouse.created]
