"""How tests draw examples: the same ones in each `make test`, and new ones where `INTAKE_TEST_RANDOM` is set."""

from __future__ import annotations

import os
import random
from typing import Final

#: `make test` examines a change, so its result must not depend on chance. `make prove` searches for faults.
RANDOM: Final = bool(os.environ.get("INTAKE_TEST_RANDOM"))


def examples(few: int, many: int) -> int:
    """Return how many examples a property draws: `few` in `make test`, `many` in `make prove`."""
    return many if RANDOM else few


def draw_seed() -> int:
    """Return the seed of a test, which prints it."""
    return random.SystemRandom().randrange(10**6) if RANDOM else 1
