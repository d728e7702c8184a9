"""The whole worker on a fake clock: no history breaks a promise, a seed is one history, a planted bug is found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from simulation.history import history
from simulation.plants import PLANTS, cursor_first, late_settles, never_asked_after_a_loss, nobody_asks, nobody_frees
from simulation.settings import SHOP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from simulation.history import Told
    from simulation.world import World

    Plant = Callable[[], AbstractContextManager[Callable[[World], None]]]

ROOT = Path(__file__).parents[2]
#: Seeds in which a planted bug has to be found.
WITHIN = 100
#: Those that are found in seconds.
AT_ONCE = (nobody_asks, cursor_first, late_settles, nobody_frees, never_asked_after_a_loss)


@pytest.fixture(autouse=True)
def _one_core() -> Iterator[None]:
    """One actor runs at a time: another core would only cost what is in the caches of this one."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    yield
    os.sched_setaffinity(0, cores)


def test_an_hour_of_a_small_shop_is_as_it_should_be() -> None:
    told = history(2, 3600, pace=SHOP)
    assert not told.wrong
    assert told.orders > 3
    assert told.polls > 10


def replayed(seed: int, hashseed: str) -> bytes:
    """What the command prints for this seed, in a process of its own."""
    env = os.environ | {"PYTHONHASHSEED": hashseed, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    command = [sys.executable, "-m", "simulation", "--seed", str(seed), "--minutes", "1"]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, check=True, timeout=100).stdout


def test_whatever_goes_wrong_in_a_history_no_promise_is_broken() -> None:
    wrong = [told for seed in range(1, 15) if (told := history(seed, 120)).wrong]
    assert not wrong


def test_the_same_seed_is_the_same_history_in_another_process_whatever_its_hashes() -> None:
    first = replayed(12, "1")
    assert first.count(b"\n") > 50
    assert first == replayed(12, "2")


def test_the_same_seed_is_the_same_history_twice_in_one_process() -> None:
    lines: list[str] = []
    told = history(8, 120, line=lines.append)
    again: list[str] = []
    assert history(8, 120, line=again.append) == told
    assert lines == again
    assert history(9, 120).digest != told.digest


def first_wrong(change: Callable[[World], None], seconds: float) -> Told:
    return next(told for seed in range(1, WITHIN) if (told := history(seed, seconds, change=change)).wrong)


@pytest.mark.parametrize(
    "plant",
    [pytest.param(plant, marks=[pytest.mark.soak] * (plant not in AT_ONCE)) for plant in PLANTS],
    ids=lambda plant: plant.__name__,
)
def test_a_planted_bug_is_found_and_its_seed_is_a_replay(plant: Plant) -> None:
    with plant() as change:
        told = first_wrong(change, 300)
        assert history(told.seed, 300, change=change).wrong == told.wrong
    assert not history(told.seed, 300).wrong


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_ten_thousand_histories() -> None:
    """`INTAKE_SIMULATION_SEEDS=500 pytest -m soak tests/simulation -k ten_thousand` runs fewer."""
    for seed in range(1, int(os.environ.get("INTAKE_SIMULATION_SEEDS", "10000")) + 1):
        told = history(seed)
        assert not told.wrong, told
