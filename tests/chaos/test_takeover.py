"""The time that the orders of a killed worker wait, measured over many kills."""

from __future__ import annotations

import json
import os
import random
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from support.stack import Stack

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.paced

#: Seconds within which another worker takes over from a killed one (p99).
TAKE_OVER = 15.0


def waits(stack: Stack) -> list[float]:
    """Return, for each take-over, the logged seconds since the last heartbeat of the killed drain."""
    seconds = []
    for line in stack.log().splitlines():
        _, _, text = line.partition("| ")
        if '"lane.taken_over"' in text:
            seconds.append(float(json.loads(text)["seconds"]))
    return seconds


def more_waits(stack: Stack, before: int) -> bool:
    return len(waits(stack)) > before


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_the_orders_of_fifty_killed_workers_are_taken_over_in_time(tmp_path: Path) -> None:
    kills = int(os.environ.get("INTAKE_KILLS", "50"))
    rng = random.Random(int(os.environ.get("INTAKE_SEED", "1")))
    with Stack(tmp_path, 400, limit="20/s", dedupe="off") as stack:
        stack.start()
        stack.wait(lambda: stack.created() > 10, 60, "the first orders")
        for number in range(kills):
            stack.add(60)
            before = len(waits(stack))
            time.sleep(rng.uniform(0.5, 2.0))
            stack.kill_child()
            stack.wait(partial(more_waits, stack, before), 60, f"take-over {number + 1}")
        orders = 400 + 60 * kills
        stack.wait(lambda: stack.created() >= orders, 60 + orders / 10, "all orders")
        stack.wait(stack.settled, 60, "settled")
        comparison, times = stack.compare(), sorted(waits(stack))
    slow = times[int(len(times) * 0.99)] if len(times) < 100 else times[-2]
    median = times[len(times) // 2]
    print(f"{comparison}; {len(times)} take-overs: median {median:.1f} s, p99 {slow:.1f} s, longest {times[-1]:.1f} s")
    assert comparison.clean, str(comparison)
    assert comparison.orders == orders
    assert slow < TAKE_OVER
