"""The settings of a history, drawn from its seed: accounts, limits, routes and process counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from simulation.adapters import DepotOptions, ShopOptions
from worker.settings.accounts import ProviderSettings, TargetSettings
from worker.settings.load import Settings
from worker.settings.routes import Route
from worker.store.limits.limit import Limit

if TYPE_CHECKING:
    import random


@dataclass(frozen=True)
class House:
    """An installation: its settings and its processes."""

    settings: Settings
    #: The number of pool processes, and of processes that take jobs.
    pool: int
    listeners: int
    #: Whether there is a process for each account, so that a drain may wait for orders.
    room: bool


@dataclass(frozen=True)
class Pace:
    """The density of events in a history."""

    #: Seconds from one order to the next; 0: drawn between 2 and 60.
    gap: float = 0.0
    #: A factor for the probability of all faults.
    odds: float = 1.0
    #: Seconds from one fault of the installation to the next.
    great: tuple[float, float] = (30.0, 300.0)
    #: Poll intervals in seconds, one of which is drawn for each provider.
    polls: tuple[float, ...] = (15.0, 60.0, 60.0)


#: As dense as possible; and a small shop: 300 orders a day, few faults.
DENSE, SHOP = Pace(), Pace(288.0, 0.02, (1800.0, 14_400.0), (60.0, 300.0))


def _limits(rng: random.Random) -> tuple[Limit, ...]:
    count = rng.choice([2, 5, 10, 50, 0])
    return (Limit(count, 1.0),) if count else ()


def _traits(rng: random.Random) -> DepotOptions:
    return DepotOptions(
        updates=rng.random() < 0.6,
        dedupes=rng.random() < 0.25,
        settles=rng.random() < 0.75,
        bulk=rng.choice([1, 1, 1, 3]),
        steps=rng.random() < 0.2,
    )


def house(rng: random.Random, pace: Pace) -> House:
    """Return a random installation with the default clocks."""
    providers = {
        name: ProviderSettings.model_construct(
            name=name,
            kind="shop",
            url=f"http://{name}",
            limits=_limits(rng),
            limit_scope=name,
            options=ShopOptions(),
            poll_every=rng.choice(pace.polls),
            start=datetime(2020, 1, 1, tzinfo=UTC),
        )
        for name in ("shop", "bazaar")[: rng.choice([1, 1, 2])]
    }
    targets = {
        name: TargetSettings.model_construct(
            name=name,
            kind="depot",
            url=f"http://{name}",
            limits=_limits(rng),
            limit_scope=name,
            options=_traits(rng),
            concurrency=rng.choice([1, 2, 3, 64]),
            max_tries=rng.choice([3, 6]),
        )
        for name in ("depot", "annex", "cellar")[: rng.choice([1, 1, 2, 2, 3])]
    }
    routes = tuple(
        Route(
            source=name,
            targets=tuple(targets),
            reference="{provider}:{external_id}",
            on_change=rng.choice(["update", "update", "hold", "ignore"]),
        )
        for name in providers
    )
    settings = Settings(
        file="simulation",
        redis_url="redis://simulation",
        data_dir=Path(),
        providers=providers,
        targets=targets,
        routes=routes,
    )
    accounts = len(providers) + sum(min(2, target.concurrency) for target in targets.values())
    pool = rng.choice([2, accounts, accounts, accounts + 2])
    return House(settings, pool, rng.choice([1, 2]), pool >= len(providers) + len(targets))
