"""The state of everything that is configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.settings.reconcile import pairs_of
from worker.store.health import state
from worker.store.health.nudges import QUEUES

if TYPE_CHECKING:
    from worker.runtime import Runtime
    from worker.store.health.state import State


def state_of(rt: Runtime) -> State:
    """Read it from Redis; raises what a Redis that is away raises."""
    settings = rt.settings
    accounts = [*settings.providers.values(), *settings.targets.values()]
    return state.read(
        rt.redis,
        rt.inbox,
        providers=settings.providers,
        targets={name: lane.quiet_ms / 1000 for name, lane in rt.lanes.items()},
        limits=sorted({account.limit_scope for account in accounts}),
        queues=QUEUES,
        pairs=pairs_of(settings.routes, settings.providers),
    )
