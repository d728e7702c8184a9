"""Two beats, two workers and two sweeps at the same time."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.stack import Stack
from worker.cli.run.processes import argv

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.paced

ORDERS = 400
RATE = 40
#: Polls in a second, by RetailCRM's limit.
POLLS = 10
#: The simulator counts a request when it gets to it: on a busy machine a few come too close to each other there. Two
#: beats or workers that did not share a limit would make twice as many. `test_shared_limit.py` measures how many are
#: refused.
OVER = 5


def most_in_a_second(calls: list[float]) -> int:
    return max(sum(start <= at < start + 1.0 for at in calls) for start in calls)


@pytest.mark.timeout(180)
def test_two_beats_and_two_workers_create_no_duplicate_and_exceed_no_limit(tmp_path: Path) -> None:
    with Stack(tmp_path, ORDERS, limit=f"{RATE}/s", dedupe="off") as stack:
        stack.start()
        stack.wait(lambda: stack.created() > 0, 60, "the first order")
        env = os.environ | {"INTAKE_CONFIG": str(stack.config)}
        second = []
        with (tmp_path / "second.log").open("wb") as log:
            for name in ("worker", "upkeep", "beat"):
                command = [word.replace(f"{name}@%h", f"{name}2@%h") for word in argv(name)]
                second.append(subprocess.Popen(command, env=env, cwd=tmp_path, stdout=log, stderr=log))
        try:
            stack.add(100, over=4)
            stack.wait(lambda: stack.created() >= ORDERS + 100, 100, "all orders")
            stack.wait(stack.settled, 60, "settled")
        finally:
            for process in second:
                process.terminate()
            for process in second:
                process.wait(timeout=60)
        comparison = stack.compare()
        calls, polls = stack.calls("dropday"), stack.calls("retailcrm")
        stats = stack.stats()["retailcrm"]
    most, most_polls = most_in_a_second(calls), most_in_a_second(polls)
    print(f"{comparison}; at most {most} calls in a second of {RATE}, {most_polls} polls of {POLLS}")
    print(f"{stats['refused']} of {len(polls)} polls refused")
    assert comparison.clean, str(comparison)
    assert most <= RATE + OVER
    assert most_polls <= POLLS
    assert stats["refused"] <= OVER
