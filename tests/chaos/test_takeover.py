"""How long the orders of a killed worker wait, measured over many kills."""

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

pytestmark = pytest.mark.alone

#: Seconds within which 99 of 100 killed workers' orders are in another's hands.
TAKE_OVER = 15.0


def waits(stack: Stack) -> list[float]:
    """Return, for each take-over, the logged seconds since the last heartbeat of the killed drain."""
    found = []
    for line in stack.log().splitlines():
        _, _, text = line.partition("| ")
        if '"lane.taken_over"' in text:
            found.append(float(json.loads(text)["seconds"]))
    return found


def more_waits(stack: Stack, before: int) -> bool:
    return len(waits(stack)) > before


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_the_orders_of_fifty_killed_workers_are_taken_over_in_time(tmp_path: Path) -> None:
    kills = int(os.environ.get("INTAKE_KILLS", "50"))
    chance = random.Random(int(os.environ.get("INTAKE_SEED", "1")))
    with Stack(tmp_path, 400, limit="20/s", dedupe="off") as stack:
        stack.start()
        stack.wait(lambda: stack.created() > 10, 60, "the first orders")
        for number in range(kills):
            stack.add(60)
            before = len(waits(stack))
            time.sleep(chance.uniform(0.5, 2.0))
            stack.kill_child()
            stack.wait(partial(more_waits, stack, before), 60, f"take-over {number + 1}")
        orders = 400 + 60 * kills
        stack.wait(lambda: stack.created() >= orders, 60 + orders / 10, "all orders")
        stack.wait(stack.settled, 60, "settled")
        found, times = stack.compare(), sorted(waits(stack))
    slow = times[int(len(times) * 0.99)] if len(times) < 100 else times[-2]
    print(
        f"{found}; {len(times)} take-overs: median {times[len(times) // 2]:.1f} s, p99 {slow:.1f} s, {times[-1]:.1f} s"
    )
    assert found.clean, str(found)
    assert found.orders == orders
    assert slow < TAKE_OVER
