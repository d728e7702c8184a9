"""How tests draw examples: the same ones in each `make test`, and new ones where `INTAKE_TEST_RANDOM` is set."""

from __future__ import annotations

import os
import random
from typing import Final

#: A new example that fails belongs to whoever looks for faults (`make prove`), and not to whoever changes a comment.
RANDOM: Final = bool(os.environ.get("INTAKE_TEST_RANDOM"))


def draw_seed() -> int:
    """Return the seed of a test, which prints it."""
    return random.SystemRandom().randrange(10**6) if RANDOM else 1
