"""The whole way of orders under every mishap, by chance: nothing lost, nothing doubled, nothing stuck."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from model.machine import Machine
from model.running import run

if TYPE_CHECKING:
    from redis import Redis

#: `INTAKE_MODEL_EXAMPLES=20000 INTAKE_MODEL_STEPS=60 pytest -m soak tests/model` runs for hours.
EXAMPLES, STEPS = int(os.environ.get("INTAKE_MODEL_EXAMPLES", "2000")), int(os.environ.get("INTAKE_MODEL_STEPS", "60"))


@pytest.mark.timeout(400)
def test_whatever_happens_no_order_is_lost_and_none_is_doubled(redis: Redis, raw: Redis) -> None:
    run(Machine, redis, raw, max_examples=80, stateful_step_count=40, print_blob=True)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_the_same_for_a_long_time(redis: Redis, raw: Redis) -> None:
    run(Machine, redis, raw, max_examples=EXAMPLES, stateful_step_count=STEPS, print_blob=True)
