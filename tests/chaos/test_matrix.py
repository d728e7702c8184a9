"""A part of the crash matrix: one cell for each kind of fault; `make prove` runs all cells."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from chaos.cell import PUSHED, Cell, Ground, kept
from chaos.matrix import LIMITS, places, verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos.matrix import Place

pytestmark = pytest.mark.paced

#: The cells of this part: step and effect, column, side.
PART = [
    ("poll: accept the orders", "killed", "after"),
    ("poll: move the cursor", "killed", "before"),
    ("poll: read a page", "Redis emptied", "after"),
    ("ingest: take jobs", "killed", "after"),
    ("ingest: complete the jobs", "answer lost", "after"),
    ("ingest: complete a hint", "Redis emptied", "before"),
    ("backfill: accept the orders", "killed", "after"),
    ("deliver: claim orders", "stopped", "after"),
    ("deliver: create in the target", "killed", "sent"),
    ("deliver: create in the target", "answer lost", "after"),
    ("deliver: create in the target", "Redis emptied", "after"),
    ("deliver: settle", "killed", "before"),
    ("deliver: settle", "done twice", "after"),
    ("deliver: settle", "clock back an hour", "after"),
    ("deliver: claim orders", "clock ahead an hour", "after"),
    ("deliver: settle", "Redis forgets", "after"),
    ("sweep: free a dead drain's orders", "killed", "after"),
]
_BY_NAME = {(f"{p.effect.step}: {p.effect.what}", p.column, p.side): p for p in places()}
CHOSEN = [_BY_NAME[name] for name in PART]
_DAY_SECONDS = 86_400.0
OWN_CLOCK = Cell("own-clock", "poll", "script:settle:after=kill", ahead=_DAY_SECONDS)
NOT_AGAIN = Cell("not-again", "ingest", "script:take:before=flush,skip=1")
REFUSES = [
    replace(_BY_NAME[f"deliver: {effect}", column, side].cell, name=f"refuses-{number}", dedupe="on")
    for number, (effect, column, side) in enumerate(LIMITS)
]
OTHERS = [OWN_CLOCK, NOT_AGAIN, *REFUSES]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with Ground(tmp_path_factory.mktemp("matrix"), [*(place.cell for place in CHOSEN), *OTHERS]) as ground:
        yield ground


@pytest.mark.parametrize("place", CHOSEN, ids=lambda place: place.cell.name)
def test_no_order_is_lost_or_duplicated_by_a_fault_at_this_point(ground: Ground, place: Place) -> None:
    result = ground.run(place.cell)
    assert verdict(place, result) == "clean", f"{result.problems}\n{kept(ground.home / place.cell.name)}"


@pytest.mark.parametrize("cell", REFUSES, ids=lambda cell: cell.name)
def test_the_exceptions_of_the_matrix_hold_for_a_target_that_refuses_duplicates(ground: Ground, cell: Cell) -> None:
    assert ground.run(cell).problems == []


def test_two_processes_with_clocks_a_day_apart_lose_and_duplicate_nothing(ground: Ground) -> None:
    assert ground.run(OWN_CLOCK).problems == []


def test_a_pushed_order_that_cannot_be_polled_is_lost_with_redis_unless_it_is_pushed_again(ground: Ground) -> None:
    comparison = ground.run(NOT_AGAIN).comparison
    assert comparison is not None
    assert comparison.lost == tuple(sorted(f"web:{number}" for number in range(PUSHED)))
    assert (comparison.duplicated, comparison.different, comparison.extra) == ((), (), ())
