"""The crash matrix: each effect of each step, with every fault before and after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chaos.cell import LONGER, STEP, Cell, Result


@dataclass(frozen=True)
class Effect:
    """One row: an effect of a step.

    `before` and `after` are options of the failpoint (which passage is meant), `weather` is what has to go wrong on the
    other side for the effect to take place at all, `prelude` what has to be armed besides.
    """

    step: str
    #: Which of a walker's steps comes first.
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
    Effect("poll", "poll", "forget what is mended", "redis:HDEL"),
    Effect("poll", "poll", "move the cursor", "script:advance"),
    Effect("poll", "poll", "note a failure", "script:note", weather=("retailcrm:history:500:times=1",)),
    Effect("poll", "poll", "renew, give back the lease", "script:renew"),
    Effect("ingest", "ingest", "take jobs", "script:take", ",skip=1", ",match=provider"),
    Effect("ingest", "ingest", "accept the orders", "script:accept"),
    Effect("ingest", "ingest", "note the hints", "redis:ZADD"),
    Effect("ingest", "ingest", "be done with the jobs", "script:done"),
    Effect("ingest", "fetch", "take hints", "script:fetch", ",skip=1", r",match=\["),
    Effect("ingest", "fetch", "read one order", "http:read", _ONE, _ONE, http=True),
    Effect("ingest", "fetch", "be done with a hint", "script:fetched"),
    Effect("backfill", "backfill", "take the lease", "script:begin", after=",match=begun"),
    Effect("backfill", "backfill", "read a page", "http:read", ",skip=1" + _SHOP, ",skip=1" + _SHOP, http=True),
    Effect("backfill", "backfill", "accept the orders", "script:accept"),
    Effect("backfill", "backfill", "move the cursor", "script:advance"),
    Effect("deliver", "deliver", "claim orders", "script:claim", ",skip=1", ",match=orders"),
    Effect("deliver", "deliver", "wait for a time slot", "script:reserve", ",skip=9", ",skip=9"),
    Effect("deliver", "deliver", "go out of the door", "script:depart", ",skip=9", ",skip=9"),
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
    """One column: the failpoint's fault and options, on which sides of the effect it makes sense, how long it takes."""

    fault: str
    options: str = ""
    sides: tuple[str, ...] = ("before", "after")
    seconds: float = 0.0


FAULTS: Final = {
    "killed": Fault("kill"),
    "answer lost": Fault("lost", sides=("after",)),
    "done twice": Fault("repeat", sides=("after",)),
    "stopped": Fault("stop", f",seconds={LONGER}", seconds=LONGER),
    "slow": Fault("delay", f",seconds={LONGER}", seconds=LONGER),
    "Redis emptied": Fault("flush"),
    "Redis' clock ahead": Fault("step", f",seconds={STEP}", ("after",), STEP),
    "Redis' clock back": Fault("step", f",seconds=-{STEP}", ("after",), STEP),
}
#: Where an order may be created twice, if things meet badly, and why: effect ("": any), fault, side.
LIMITS: Final = {
    ("create in the target", "done twice", "after"): (
        "Something between Intake and the target repeats a POST, and the target takes doubles: that order is there"
        " twice. With a target that refuses doubles (all but Dropboy) the cell is green."
    ),
    ("create in the target", "stopped", "before"): (
        "The process is stopped between the last look at its lease and the first byte, for longer than its lease:"
        " another creates the order, and then this one does. With a target that refuses doubles the cell is green."
    ),
    ("", "Redis' clock ahead", "after"): (
        "Redis' clock steps ahead by more than a lease: every lease ends at once, and its owner learns of it at its"
        " next heartbeat. What it creates in that moment another may create as well. With a target that refuses doubles"
        " the cell is green. It takes bad luck: 2 of the first 50 such cells."
    ),
}
#: Orders that may meet so in one cell: there are two processes.
MEET: Final = 2


@dataclass(frozen=True)
class Place:
    """Where a cell stands in the table."""

    effect: Effect
    column: str
    side: str
    cell: Cell


def places() -> list[Place]:
    """All cells of the matrix."""
    return [
        Place(effect, column, side, _cell(f"c{row}-{number}-{side}", effect, FAULTS[column], side))
        for row, effect in enumerate(EFFECTS)
        for number, column in enumerate(FAULTS)
        for side in (("before", "sent", "after") if effect.http and column == "killed" else FAULTS[column].sides)
    ]


def _cell(name: str, effect: Effect, fault: Fault, side: str) -> Cell:
    which = effect.before if side == "before" else effect.after
    arms = f"{effect.point}:{side}={fault.fault}{fault.options}{which}"
    if effect.prelude:
        arms = f"{effect.prelude}; {arms}"
    return Cell(name, effect.first, arms, effect.weather, seconds=fault.seconds, again=fault.fault == "flush")


def limit_of(place: Place) -> str:
    """Why this cell may not be clean; "" if it must."""
    anywhere = LIMITS.get(("", place.column, place.side), "")
    return LIMITS.get((place.effect.what, place.column, place.side), anywhere)


def verdict(place: Place, result: Result) -> str:
    """`clean`, `limit` (only what its limit allows), `red`."""
    if not result.problems:
        return "clean"
    found = result.comparison
    only_doubled = (
        found is not None and not (found.lost or found.different or found.extra) and len(found.doubled) <= MEET
    )
    return "limit" if limit_of(place) and only_doubled and len(result.problems) == 1 else "red"
