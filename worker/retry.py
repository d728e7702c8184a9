"""The delay before the next attempt."""

from __future__ import annotations

import random

#: Seconds of the first wait and of the longest.
BASE, CAP = 1.0, 600.0
#: Its own source: it has no state that forked processes would share, and leaves that of the `random` module alone.
_CHANCE = random.SystemRandom()


def backoff(tries: int, chance: random.Random | None = None) -> float:
    """Return the seconds to wait after a failed attempt (`tries` is 0 for the first): doubling, with full jitter.

    Full jitter spreads out orders that failed together, so that they do not return together. `chance` is the source of
    randomness.
    """
    ceiling = min(CAP, BASE * 2 ** min(tries, 32))
    return (chance or _CHANCE).uniform(0.1 * ceiling, ceiling)
