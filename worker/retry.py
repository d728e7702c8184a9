"""When to try again."""

from __future__ import annotations

import random

#: Seconds of the first wait, and of the longest.
BASE, CAP = 1.0, 600.0


def backoff(tries: int, chance: random.Random | None = None) -> float:
    """Seconds to wait after `tries` tries have failed (0 = the first one): doubling, with full jitter.

    Full jitter spreads the orders that failed together, so that they do not come back together.
    """
    ceiling = min(CAP, BASE * 2 ** min(tries, 32))
    return (chance or random).uniform(0.1 * ceiling, ceiling)
