"""The plan of a soak: pure data that follows from its seed, so that the same seed fires the same plan."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Final, NamedTuple

#: SIGKILLs from outside per million orders.
KILLS: Final = {"pool process": 150, "worker": 12, "listen": 12, "upkeep": 10, "beat": 10, "valkey": 4}
#: Other events per million orders; each happens at least once.
EVENTS: Final = {"restore": 4, "step ahead": 4, "step back": 4}
_MILLION: Final = 1_000_000
#: The last event happens at this share of all orders, so that its consequences are seen.
_LAST: Final = 0.94
#: The share of the orders of a polled shop with each fate; the others are plain.
FATES: Final = {
    "cancelled at birth": 0.01,
    "cancelled soon": 0.02,
    "cancelled late": 0.02,
    "edited": 0.04,
    "edited twice": 0.02,
    "edited by both": 0.02,
    "hostile": 0.005,
}
#: Fates that begin when the target has created the order, not when the source has it.
LATE: Final = frozenset({"cancelled late", "edited by both"})
_SOONEST, _LATEST = 0.2, 8.0


class Event(NamedTuple):
    """Something that happens once this share of all orders was delivered."""

    at: float
    what: str


class Fate(NamedTuple):
    """What happens to one order, and the seconds until each change."""

    what: str
    after: tuple[float, ...] = ()


PLAIN: Final = Fate("plain")


def events(seed: int, orders: int, density: float) -> list[Event]:
    """Return the events of a soak in order: kills, restored backups, clock steps, and one rename in the middle."""
    rng = random.Random(f"{seed} events")
    planned = [Event(0.5, "rename")]
    for what, count in {**KILLS, **EVENTS}.items():
        share = count * orders / _MILLION * density
        number = max(1, int(share) + (rng.random() < share % 1))
        planned += [Event(rng.uniform(0.03, _LAST), f"kill {what}" if what in KILLS else what) for _ in range(number)]
    return sorted(planned)


@lru_cache(maxsize=50_000)
def fate(seed: int, source: str, number: int) -> Fate:
    """Return what happens to an order of a polled shop."""
    rng = random.Random(f"{seed} {source} {number}")
    draw = rng.random()
    for what, share in FATES.items():
        if draw < share:
            changes = {"cancelled at birth": 0, "hostile": 0, "edited twice": 2}.get(what, 1)
            return Fate(what, tuple(sorted(rng.uniform(_SOONEST, _LATEST) for _ in range(changes))))
        draw -= share
    return PLAIN
