"""The backoff doubles with each try, has full jitter and never exceeds the cap."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from worker.retry import BASE, CAP, backoff


@given(st.integers(0, 10_000), st.integers())
def test_a_wait_is_positive_and_never_longer_than_its_ceiling(tries: int, seed: int) -> None:
    ceiling = min(CAP, BASE * 2 ** min(tries, 32))
    assert 0 < backoff(tries, random.Random(seed)) <= ceiling


def test_orders_that_failed_together_are_not_retried_together() -> None:
    waits = [backoff(5) for _ in range(200)]
    assert max(waits) - min(waits) > BASE * 2**5 / 2


def test_waits_grow_until_the_cap() -> None:
    means = [sum(backoff(tries) for _ in range(300)) / 300 for tries in range(12)]
    assert all(later > earlier for earlier, later in zip(means[:8:2], means[2:10:2], strict=True))
    assert backoff(10_000) <= CAP
