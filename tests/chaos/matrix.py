"""The crash matrix: each effect of each step, with every fault before and after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chaos.cell import LONGER, STEP, Cell, Result


@dataclass(frozen=True)
class Effect:
    """One row: an effect of a step.

    `before` and `after` are options of the failpoint: they select the occurrence. `weather` is the fault of the other
    system that the effect needs to happen at all, `prelude` a further failpoint to arm.
    """

    step: str
    #: The step that each turn of a walker begins with.
    first: str
    what: str
    point: str
    before: str = ""
    after: str = ""
    weather: tuple[str, ...] = ()
    prelude: str = ""
    http: bool = False


_SHOP, _ONE, _WAREHOUSE = ",match=/retailcrm/", ",match=by=id", ",match=/dropday/"
_LOST_ANSWER = "dropday:create:cut_after:times=2:skip=5"
EFFECTS: Final = (
    Effect("poll", "poll", "take the lease", "script:begin", after=",match=begun"),
    Effect("poll", "poll", "read a page", "http:read", ",skip=1" + _SHOP, ",skip=1" + _SHOP, http=True),
    Effect("poll", "poll", "accept the orders", "script:accept"),
    Effect(
        "poll", "poll", "keep what is unreadable", "script:bury", weather=("retailcrm:list:malformed:times=1:record=3",)
    ),
    Effect("poll", "poll", "remove the dead letter of a readable record", "redis:HDEL"),
    Effect("poll", "poll", "move the cursor", "script:advance"),
    Effect("poll", "poll", "note a failure", "script:note", weather=("retailcrm:history:500:times=1",)),
    Effect("poll", "poll", "renew or release the lease", "script:renew"),
    Effect("ingest", "ingest", "take jobs", "script:take", ",skip=1", ",match=provider"),
    Effect("ingest", "ingest", "accept the orders", "script:accept"),
    Effect("ingest", "ingest", "note the hints", "script:schedule"),
    Effect("ingest", "ingest", "complete the jobs", "script:done"),
    Effect("ingest", "ingest", "end a taker", "script:leave"),
    Effect("ingest", "fetch", "take hints", "script:fetch", ",skip=1", r",match=\["),
    Effect("ingest", "fetch", "read one order", "http:read", _ONE, _ONE, http=True),
    Effect("ingest", "fetch", "complete a hint", "script:fetched"),
    Effect("backfill", "backfill", "take the lease", "script:begin", after=",match=begun"),
    Effect("backfill", "backfill", "read a page", "http:read", ",skip=1" + _SHOP, ",skip=1" + _SHOP, http=True),
    Effect("backfill", "backfill", "accept the orders", "script:accept"),
    Effect("backfill", "backfill", "move the cursor", "script:advance"),
    Effect("deliver", "deliver", "claim orders", "script:claim", ",skip=1", ",match=orders"),
    Effect("deliver", "deliver", "wait for a time slot", "script:reserve", ",skip=9", ",skip=9"),
    Effect("deliver", "deliver", "send the request", "script:depart", ",skip=9", ",skip=9"),
    Effect("deliver", "deliver", "create in the target", "http:write", ",skip=5", ",skip=5", http=True),
    Effect(
        "deliver",
        "deliver",
        "ask the target",
        "http:read",
        _WAREHOUSE,
        _WAREHOUSE,
        (_LOST_ANSWER,),
        http=True,
    ),
    Effect("deliver", "deliver", "close a limit", "script:close", weather=("dropday:create:429:times=1:skip=5",)),
    Effect("deliver", "deliver", "settle", "script:settle"),
    Effect("deliver", "deliver", "heartbeat", "script:beat"),
    Effect(
        "sweep",
        "sweep",
        "free a dead drain's orders",
        "script:sweep",
        ",skip=5",
        r",match=^\[[1-9]",
        prelude="script:claim:after=kill,match=orders",
    ),
    Effect(
        "sweep",
        "sweep",
        "free a dead taker's jobs",
        "script:free",
        ",skip=5",
        ",match=^[1-9]",
        prelude="script:take:after=kill,match=provider",
    ),
)


@dataclass(frozen=True)
class Fault:
    """One column: the failpoint's fault and options, the sides of the effect it applies to, and its duration."""

    fault: str
    options: str = ""
    sides: tuple[str, ...] = ("before", "after")
    seconds: float = 0.0
    #: Whether it is a fault of Redis alone, which a call of another system cannot have.
    store: bool = False


FAULTS: Final = {
    "killed": Fault("kill"),
    "answer lost": Fault("lost", sides=("after",)),
    "done twice": Fault("repeat", sides=("after",)),
    "stopped": Fault("stop", f",seconds={LONGER}", seconds=LONGER),
    "slow": Fault("delay", f",seconds={LONGER}", seconds=LONGER),
    "Redis emptied": Fault("flush"),
    "Redis forgets": Fault("forget", sides=("after",), store=True),
    "clock ahead an hour": Fault("step", f",seconds={STEP}", ("after",)),
    "clock back an hour": Fault("step", f",seconds=-{STEP}", ("after",)),
}
#: Where an order may be created twice, and why, by effect, fault and side.
LIMITS: Final = {
    ("create in the target", "done twice", "after"): (
        "Something between Intake and the target repeats a POST, and the target accepts duplicates: that order exists"
        " twice. With a target that refuses duplicates (all except Dropboy), the cell is green."
    ),
    ("create in the target", "stopped", "before"): (
        "The process is stopped between the last check of its lease and the first byte, for longer than its lease:"
        " another process creates the order, and then this one does. With a target that refuses duplicates, the cell is"
        " green."
    ),
}
#: Duplicates that one such cell may have: one for each of its two processes.
MEET: Final = 2


@dataclass(frozen=True)
class Place:
    """A cell and its place in the table."""

    effect: Effect
    column: str
    side: str
    cell: Cell


def places() -> list[Place]:
    """Return all cells of the matrix."""
    return [
        Place(effect, column, side, _cell(f"c{row}-{number}-{side}", effect, FAULTS[column], side))
        for row, effect in enumerate(EFFECTS)
        for number, column in enumerate(FAULTS)
        if not (effect.http and FAULTS[column].store)
        for side in (("before", "sent", "after") if effect.http and column == "killed" else FAULTS[column].sides)
    ]


def _cell(name: str, effect: Effect, fault: Fault, side: str) -> Cell:
    which = effect.before if side == "before" else effect.after
    arms = f"{effect.point}:{side}={fault.fault}{fault.options}{which}"
    if effect.prelude:
        arms = f"{effect.prelude}; {arms}"
    return Cell(name, effect.first, arms, effect.weather, seconds=fault.seconds, again=fault.fault == "flush")


def limit_of(place: Place) -> str:
    """Return why this cell may have duplicates, or an empty string if it may not."""
    return LIMITS.get((place.effect.what, place.column, place.side), "")


def verdict(place: Place, result: Result) -> str:
    """Return `clean`, `limit` (no problem except the duplicates that its limit allows) or `red`."""
    if not result.problems:
        return "clean"
    comparison = result.comparison
    only_duplicates = (
        comparison is not None
        and not (comparison.lost or comparison.different or comparison.extra)
        and len(comparison.duplicated) <= MEET
        # the comparison of both sides, and the same by the journals
        and all(line == str(comparison) or line.startswith("duplicated: ") for line in result.problems)
    )
    return "limit" if limit_of(place) and only_duplicates else "red"
