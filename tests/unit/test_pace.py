"""The pace of a target: how many calls at once its limit needs, and how many orders a drain should hold."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.store.orders.pace import SHARE, Pace

LATENCIES = st.floats(0.0001, 30.0)
INTERVALS = st.floats(0.002, 60.0)


def pace_of(latency: float, attempt: float | None = None, calls: int = 20) -> Pace:
    pace = Pace()
    for _ in range(calls):
        pace.note([latency], latency if attempt is None else attempt)
    return pace


@given(latency=LATENCIES, interval=INTERVALS)
def test_the_calls_at_once_use_up_the_limit(latency: float, interval: float) -> None:
    width = pace_of(latency).width(interval)
    assert width >= 1
    assert width == 1 or width / latency >= 1 / interval
    if width == 1:
        assert latency <= interval / 2 * 1.001, "one call after the other keeps up"


@given(latency=LATENCIES, interval=INTERVALS)
def test_they_are_hardly_more_than_the_limit_needs(latency: float, interval: float) -> None:
    assert pace_of(latency).width(interval) <= math.ceil(1.26 * latency / interval) + 1


def test_without_a_limit_a_process_makes_as_many_as_it_can() -> None:
    assert pace_of(0.1).width(0.0) == math.ceil(0.1 * 1.25 / 0.002) + 1
    assert pace_of(0.0005).width(0.0) == 1, "a target that is near needs no threads"


def test_a_busy_processor_does_not_make_a_near_target_far() -> None:
    pace = pace_of(0.0005)
    for late in (0.02, 0.01, 0.004):
        pace.note([late], late)
        for _ in range(8):
            pace.note([0.0005], 0.0005)
        assert pace.width(0.0) == 1


def test_a_target_that_is_near_for_most_orders_and_far_for_some_is_far() -> None:
    pace = Pace()
    for _ in range(10):
        for seconds in (0.0005, 0.0005, 0.3):
            pace.note([seconds], seconds)
    assert pace.width(0.0) > 30


@pytest.mark.parametrize("interval", [0.0, 0.1])
def test_the_first_order_goes_alone(interval: float) -> None:
    pace = Pace()
    assert pace.width(interval) == 1
    assert pace.stock(interval, 1) == 0


@given(latency=LATENCIES, interval=INTERVALS)
def test_a_drain_holds_no_more_than_is_sent_in_a_second(latency: float, interval: float) -> None:
    pace = pace_of(latency)
    width = pace.width(interval)
    assert pace.stock(interval, width) <= min(SHARE / interval, width * SHARE / latency) * 1.001


def test_an_order_that_takes_many_calls_counts_as_one() -> None:
    assert pace_of(0.1, attempt=0.7).stock(0.1, 2) == pytest.approx(2 / 0.7, rel=0.2)


def test_a_target_that_becomes_slow_is_noticed_by_one_call() -> None:
    pace = pace_of(0.001, calls=1000)
    pace.note([5.0], 5.0)
    assert pace.stock(0.0, 2) < 1


def test_attempts_without_a_call_tell_nothing_of_a_target_that_is_called() -> None:
    pace = pace_of(0.3)
    before = pace.width(0.01)
    for _ in range(100):
        pace.note([], 0.00001)
    assert pace.width(0.01) == before
