"""The faults of a soak: for every effect of every step, each fault before, during and after it."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: The length of a stop in leases, and of a slow call in seconds.
LONGER, SLOW = 1.2, 1.0
#: How often each fault happens at each place per million orders.
WEIGHTS: Final[Mapping[str, float]] = {
    "kill": 3,
    "stop": 1,
    "lost": 60,
    "repeat": 30,
    "delay": 40,
    "cut": 60,
    "flush": 0.25,
}
_WEIGHED = 1_000_000


@dataclass(frozen=True)
class Effect:
    """An effect of a step; `before` and `after` are options of its failpoint that select the occurrence."""

    step: str
    what: str
    point: str
    before: str = ""
    after: str = ""
    #: May be neither repeated nor sent by a process that was stopped (the crash matrix of the guarantees page).
    accepts_duplicates: bool = False

    @property
    def http(self) -> bool:
        return self.point.startswith("http:")


_PAGE, _ONE, _DEPOT, _CRM = (f",match={part}" for part in ("/shop[0-9]/", "by=id", "/depot/", "/crm/"))
EFFECTS: Final = (
    Effect("poll", "take the lease", "script:begin", after=",match=begun"),
    Effect("poll", "read a page", "http:read", _PAGE, _PAGE),
    Effect("poll", "accept the orders", "script:accept"),
    Effect("poll", "keep what is unreadable", "script:bury"),
    Effect("poll", "forget what is fixed", "redis:HDEL"),
    Effect("poll", "move the cursor", "script:advance"),
    Effect("poll", "note a failure", "script:note"),
    Effect("poll", "renew or release the lease", "script:renew"),
    Effect("ingest", "take jobs", "script:take", after=",match=provider"),
    Effect("ingest", "note the hints", "redis:ZADD"),
    Effect("ingest", "complete the jobs", "script:done"),
    Effect("ingest", "take hints", "script:fetch", after=r",match=\["),
    Effect("ingest", "read one order", "http:read", _ONE, _ONE),
    Effect("ingest", "complete a hint", "script:fetched"),
    Effect("deliver", "claim orders", "script:claim", after=",match=orders"),
    Effect("deliver", "wait for a time slot", "script:reserve"),
    Effect("deliver", "send the request", "script:depart"),
    Effect("deliver", "create, accepting duplicates", "http:write", _DEPOT, _DEPOT, accepts_duplicates=True),
    Effect("deliver", "create in bulk", "http:write", _CRM, _CRM),
    Effect("deliver", "ask the target that accepts duplicates", "http:read", _DEPOT, _DEPOT),
    Effect("deliver", "ask the bulk target", "http:read", _CRM, _CRM),
    Effect("deliver", "close a limit", "script:close"),
    Effect("deliver", "settle", "script:settle"),
    Effect("deliver", "heartbeat", "script:beat"),
    Effect("sweep", "free a dead drain's orders", "script:sweep", after=r",match=^\[[1-9]"),
    Effect("sweep", "free a dead taker's jobs", "script:free", after=",match=^[1-9]"),
)


@dataclass(frozen=True)
class Arm:
    """One fault at one side of one effect."""

    effect: Effect
    fault: str
    side: str
    number: int

    @property
    def name(self) -> str:
        return f"{self.number}-{self.fault}"

    def text(self, lease: float) -> str:
        """Return the fault in the syntax of INTAKE_FAILPOINTS."""
        which = self.effect.before if self.side == "before" else self.effect.after
        # A longer stop while another thread creates an order is a known limit of the crash matrix.
        beat = self.effect.point == "script:beat"
        seconds = {
            "stop": lease * (0.2 if beat else LONGER),
            "delay": lease * LONGER if beat else SLOW,
        }.get(self.fault)
        time = f",seconds={seconds:g}" if seconds else ""
        return f"{self.effect.point}:{self.side}={self.fault}{which}{time},call={self.name}"


def arms() -> list[Arm]:
    """Return every fault that applies, at every side of every effect."""
    found: list[Arm] = []
    for effect in EFFECTS:
        sides: dict[str, tuple[str, ...]] = {
            "kill": ("before", "sent", "after") if effect.http else ("before", "after"),
            "stop": ("after",) if effect.accepts_duplicates else ("before", "after"),
            "lost": ("sent", "after") if effect.http else ("after",),
            "repeat": () if effect.accepts_duplicates else ("after",),
            "delay": ("before", "after"),
            "cut": ("before",) if effect.http else (),
            "flush": ("before", "after"),
        }
        found += [Arm(effect, fault, side, 0) for fault, where in sides.items() for side in where]
    return [Arm(arm.effect, arm.fault, arm.side, number) for number, arm in enumerate(found)]


@dataclass
class Calls:
    """Arms the faults one after the other as orders arrive, in a sequence that the seed determines."""

    folder: Path
    plan: list[Arm]
    #: The faults that empty Redis, all of them early.
    flushes: list[Arm]
    called: Counter[Arm] = field(default_factory=Counter)
    _next: int = 0
    _flushed: int = 0

    @classmethod
    def of(cls, folder: Path, orders: int, seed: int, density: float) -> Calls:
        """Return the faults for this many orders; a `density` of 2 doubles them."""
        rng = random.Random(seed)
        plan: list[Arm] = []
        for arm in arms():
            count = WEIGHTS[arm.fault] * orders / _WEIGHED * density
            plan += [arm] * (int(count) + (rng.random() < count % 1))
        rng.shuffle(plan)
        flushes = [arm for arm in plan if arm.fault == "flush"]
        return cls(folder, [arm for arm in plan if arm.fault != "flush"], flushes)

    def at(self, share: float, early: float) -> None:
        """Arm the faults that are due at this share of delivered orders; empty Redis only up to the share `early`."""
        while self._next < min(1.0, share / 0.97) * len(self.plan):
            self._call(self.plan[self._next])
            self._next += 1
        while self._flushed < min(1.0, share / early) * len(self.flushes) and share > 0:
            self._call(self.flushes[self._flushed])
            self._flushed += 1

    def _call(self, arm: Arm) -> None:
        # A fault that is armed and has not fired yet counts once.
        if not (self.folder / arm.name).exists():
            self.called[arm] += 1
        (self.folder / arm.name).touch()

    def state(self) -> dict[str, object]:
        """Return what a resumed soak must know."""
        called = {arm.name: count for arm, count in self.called.items()}
        return {"next": self._next, "flushed": self._flushed, "called": called}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Continue where `state` was noted."""
        self._next, self._flushed = state.get("next", 0), state.get("flushed", 0)
        counts = state.get("called", {})
        self.called.update({arm: counts[arm.name] for arm in arms() if arm.name in counts})

    def waiting(self) -> set[str]:
        return {file.name for file in self.folder.iterdir()}

    def fired(self) -> Counter[Arm]:
        """Return how often each fault fired."""
        waiting = self.waiting()
        return +Counter({arm: count - (arm.name in waiting) for arm, count in self.called.items()})

    def withdraw(self) -> None:
        """Disarm all faults; those that have not fired do not count."""
        for arm in list(self.called):
            if (self.folder / arm.name).exists():
                (self.folder / arm.name).unlink(missing_ok=True)
                self.called[arm] -= 1
