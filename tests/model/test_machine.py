"""Random sequences of steps and faults: no order is lost, duplicated or stuck."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from model.machine import Machine
from model.running import run
from support.drawn import examples

if TYPE_CHECKING:
    from redis import Redis

#: It draws its examples with Hypothesis, as a test with `@given` does.
pytestmark = pytest.mark.hypothesis

#: `INTAKE_MODEL_EXAMPLES=20000 INTAKE_MODEL_STEPS=60 pytest -m soak tests/model` runs for hours.
EXAMPLES, STEPS = int(os.environ.get("INTAKE_MODEL_EXAMPLES", "2000")), int(os.environ.get("INTAKE_MODEL_STEPS", "60"))


@pytest.mark.timeout(400)
def test_no_order_is_lost_or_duplicated_under_any_fault(redis: Redis, raw: Redis) -> None:
    run(Machine, redis, raw, max_examples=examples(15, 100), stateful_step_count=40, print_blob=True)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_no_order_is_lost_or_duplicated_in_a_long_run(redis: Redis, raw: Redis) -> None:
    run(Machine, redis, raw, max_examples=EXAMPLES, stateful_step_count=STEPS, print_blob=True)
