"""The faults of a history, drawn from its seed: each history has a few kinds of faults."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from simulation.apis import Api
    from simulation.scheduler import Process

#: Faults at a point of a wire; "lost": the response of Redis is; "refused": the connection to an API is.
WIRE: Final[tuple[str, ...]] = ("kill", "stop", "lost", "refused", "flush")
#: Faults of an API's response to a call.
ANSWERS: Final[tuple[str, ...]] = (
    "cut before",
    "cut after",
    "500 before",
    "500 after",
    "503 after",
    "429",
    "401",
    "garbage",
    "slow",
)
#: Faults of the whole installation: see `simulation.director`.
GREAT: Final = (
    *("flush", "away", "full", "maintenance", "kill all", "kill beat", "two beats"),
    *("failover", "clock of redis", "clock of hosts", "other settings"),
)
#: Points at which a fault reveals more, so that it is drawn 100 times as often as at the others.
_LIKELY: Final = ("accept", "advance", "claim", "settle", "reserve", "depart", "take", "done", "begin", "fetch", "http")
_REDIS: Final = {"lost"}


@cache
def _is_likely(point: str) -> bool:
    place, name, _ = point.split(":")
    return place == "http" or name in _LIKELY


class Faults:
    """The faults of one history, which happen while `on` is true."""

    def __init__(
        self, rng: random.Random, tell: Callable[[str], None], die: Callable[[Process], None], share: float
    ) -> None:
        self.rng, self.tell, self._die, self._share = rng, tell, die, share
        self.on = False
        #: The probability of each kind at one such point.
        self.odds = {kind: 10 ** rng.uniform(-3.5, -1.7) for kind in WIRE if rng.random() < 0.6}
        self.odds |= {kind: 10 ** rng.uniform(-3, -1.2) for kind in ANSWERS if rng.random() < 0.4}
        for rare, left in (("401", 0.1), ("flush", 0.05)):
            if rare in self.odds:
                self.odds[rare] *= left
        self.great = [kind for kind in GREAT if rng.random() < 0.35]
        self.counts: dict[str, int] = {}
        #: How often Redis was lost.
        self.losses = 0
        self._wire = [(kind, self.odds[kind]) for kind in WIRE if kind in self.odds]
        self._answers = [(kind, self.odds[kind]) for kind in ANSWERS if kind in self.odds]
        self._most = sum(odds for _, odds in self._wire)

    def _draw(self, table: list[tuple[str, float]], share: float) -> str:
        drawn = self.rng.random() / share
        for kind, odds in table:
            if (drawn := drawn - odds) < 0:
                return kind
        return ""

    def at(self, point: str, process: Process) -> str:
        """Return the fault at this point, or an empty string."""
        if not self.on or not self._most:
            return ""
        kind = self._draw(self._wire, self._share if _is_likely(point) else 0.01 * self._share)
        if not kind:
            return ""
        place, _, side = point.split(":")
        if (kind == "lost" and (place, side) != ("redis", "after")) or (kind == "refused" and place != "http"):
            return ""
        self.count(kind)
        if kind in {"lost", "refused", "flush"}:
            self.tell(f"{process.name}: {point} {kind}")
        return kind

    def answer(self, api: Api) -> str:
        """Return the fault of this call at the API, or an empty string."""
        kind = self._draw(self._answers, self._share) if self.on else ""
        if kind:
            self.count(kind)
            self.tell(f"{api.name}: {kind}")
        return kind

    def kill(self, process: Process, point: str) -> None:
        """Kill the process at this point."""
        self.tell(f"{process.name} is killed at {point}")
        self._die(process)

    def count(self, kind: str) -> None:
        """Count one more fault of this kind."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
