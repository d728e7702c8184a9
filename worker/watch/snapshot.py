"""Take the snapshot that every surface shows and judges."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from worker.settings.reconcile import pairs_of
from worker.store.health.nudges import QUEUES
from worker.store.health.state import read_snapshot
from worker.store.registry.absent import read_absent

if TYPE_CHECKING:
    from worker.runtime import Runtime
    from worker.store.health.state import Snapshot


def take_snapshot(rt: Runtime) -> Snapshot:
    """Read the state of everything that is configured. Raise whatever an unreachable Redis raises."""
    settings = rt.settings
    snapshot = read_snapshot(
        rt.redis,
        rt.inbox,
        providers=settings.providers,
        targets={name: lane.quarantine_ms / 1000 for name, lane in rt.lanes.items()},
        limits={name: scope.per_minute for name, scope in sorted(rt.scopes.items())},
        queues=QUEUES,
        pairs=pairs_of(settings.routes, settings.providers),
    )
    accounts = [*settings.providers.values(), *settings.targets.values()]
    broken = {account.name: account.map_problems for account in accounts if account.map_problems}
    compared = rt.installation.compare()
    refused = [(problem.key, problem.reason, problem.remedy) for problem in compared.problems]
    absent = [account for account in read_absent(rt.redis, compared.gone) if account.used]
    return replace(snapshot, broken_maps=broken, refused=refused, absent=absent)
