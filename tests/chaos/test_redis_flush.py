"""Redis is emptied repeatedly while orders flow: in the end the target has each order of the source once."""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING

import pytest

from support.drawn import draw_seed
from support.stack import Stack

if TYPE_CHECKING:
    from pathlib import Path


def run(home: Path, orders: int, flushes: int, seed: int) -> str:
    """Deliver orders, empty Redis at random moments, compare, and return a summary."""
    rng = random.Random(seed)
    faults = ["dropday:create:cut_after:times=10:skip=50", "dropday:create:500_after:times=10:skip=150"]
    with Stack(home, orders // 2, faults=faults, limit="40/s") as stack:
        stack.start()
        stack.wait(lambda: stack.created() > 10, 60, "the first orders")
        stack.add(orders - orders // 2, over=flushes * 1.5)
        for _ in range(flushes):
            time.sleep(rng.uniform(0.2, 3.0))
            stack.runtime.redis.flushall()
        stack.wait(lambda: stack.created() >= orders, 120 + orders / 10, "all orders")
        stack.wait(stack.settled, 60, "settled")
        time.sleep(3)  # one more poll, which must create nothing
        comparison = stack.compare()
    assert comparison.clean, str(comparison)
    assert comparison.orders == orders
    return f"{comparison}; {flushes} times lost, seed {seed}"


@pytest.mark.repeat  # the drill plays one loss in `make test`
@pytest.mark.timeout(240)
def test_the_target_equals_the_source_after_losses_of_redis_at_any_moment(tmp_path: Path) -> None:
    """Lose Redis three times.

    In `make test`, `test_after_a_total_loss_of_redis_the_targets_have_all_orders_of_the_sources` loses it once.
    """
    print(run(tmp_path, 160, 3, draw_seed()))


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_the_target_equals_the_source_after_twenty_losses_of_redis(tmp_path: Path) -> None:
    print(run(tmp_path, 1000, 20, int(os.environ.get("INTAKE_SEED", "1"))))
