"""The whole way of orders under every mishap, by chance: nothing lost, nothing doubled, nothing stuck."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from machine import Machine

if TYPE_CHECKING:
    from redis import Redis

#: `INTAKE_MODEL_EXAMPLES=20000 INTAKE_MODEL_STEPS=60 pytest -m soak tests/model` runs for hours.
EXAMPLES, STEPS = int(os.environ.get("INTAKE_MODEL_EXAMPLES", "2000")), int(os.environ.get("INTAKE_MODEL_STEPS", "60"))


def run(redis: Redis, raw: Redis, examples: int, steps: int) -> None:
    profile = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=True,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: Machine(redis, raw), settings=profile)


def test_whatever_happens_no_order_is_lost_and_none_is_doubled(redis: Redis, raw: Redis) -> None:
    run(redis, raw, examples=80, steps=40)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_the_same_for_a_long_time(redis: Redis, raw: Redis) -> None:
    run(redis, raw, EXAMPLES, STEPS)
