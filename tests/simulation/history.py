"""Run and check one history from one seed."""

from __future__ import annotations

import gc
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulation.director import Director
from simulation.scheduler import BEGIN
from simulation.seams import seams
from simulation.settings import DENSE, Pace
from simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: The stack of an actor counts from the depth of the one that started it, so depths add up over a history.
_RECURSION_LIMIT = 100_000


@dataclass(frozen=True)
class HistoryResult:
    """The result of a history; `wrong` names the broken promise, or is empty."""

    seed: int
    wrong: str
    #: A digest of all commands and replies of Redis.
    digest: str
    #: Its length on the simulated clock.
    seconds: float
    commands: int
    orders: int
    polls: int
    takeovers: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    error: BaseException | None = field(default=None, repr=False)


@contextmanager
def _deep_stacks() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(_RECURSION_LIMIT)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def history(  # noqa: PLR0913  # the options of a history, each named at the call
    seed: int,
    seconds: float = 300.0,
    *,
    line: Callable[[str], None] | None = None,
    change: Callable[[World], None] = lambda _: None,
    lose: bool = True,
    pace: Pace = DENSE,
) -> HistoryResult:
    """Run the history of `seed`: `seconds` with faults, then without until nothing is left to do.

    One seed in four then loses Redis and runs until nothing is left again, unless `lose` is False. `change` may plant a
    bug; `line` is called with each event; `pace` sets how much happens.
    """
    world = World(seed, line, pace)
    error: BaseException | None = None
    with _deep_stacks(), seams(world.scheduler, world.stream("ids"), world.wire, line and world.tell):
        change(world)
        director = Director(world)
        try:
            director.run(seconds)
            if lose and seed % 4 == 0:
                director.calamities.lose_redis()
                director.finish()
        except BaseException as raised:  # noqa: BLE001  # reported with the history
            error = raised
        ended = world.now()
        world.scheduler.end()
    gc.collect(0)
    if isinstance(error, KeyboardInterrupt):
        raise error
    wrong = "" if error is None else f"{type(error).__name__}: {error}"
    if wrong:
        world.tell(f"WRONG: {wrong}")
    return HistoryResult(
        seed,
        wrong,
        world.digest.hexdigest(),
        (ended - BEGIN) / 1e6,
        world.commands,
        director.orders,
        world.polls,
        world.checks.takeovers,
        world.faults.counts,
        error,
    )
