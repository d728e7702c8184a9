"""A failed Redis command is repeated for as long as `connect` says, whatever an attempt costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from redis.exceptions import ConnectionError, TimeoutError  # noqa: A004  # redis-py's own names

from support.ports import free_port
from worker.store.redis.connection import LONG, SHORT, Patience, connect
from worker.store.redis.timed_retry import TimedRetry, wait_to_the_end, waiting_at_most

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Clock:
    """A clock that only sleeping, and what a test does, advances."""

    now: float = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("worker.store.redis.timed_retry.time", clock)
    return clock


@pytest.mark.parametrize(("patience", "least", "most"), [("long", LONG - 1, LONG), ("short", 0.25, 0.5)])
def test_a_redis_that_refuses_connections_is_retried_as_long_as_promised(
    clock: Clock, patience: Patience, least: float, most: float
) -> None:
    redis = connect(f"redis://127.0.0.1:{free_port()}/0", patience=patience)
    with pytest.raises(ConnectionError):
        redis.get("x")
    assert least <= clock.now <= most


def nested(depth: int, retry: TimedRetry, work: Callable[[], object]) -> object:
    """Do `work` with a repetition within each repetition, as redis-py connects."""
    if depth == 0:
        return work()
    return retry.call_with_retry(lambda: nested(depth - 1, retry, work), lambda _: None)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("seconds", [SHORT, LONG])
@pytest.mark.parametrize("attempt", [0.0, 0.01, 1.0, 2.0, 5.0])
def test_the_repetition_ends_in_time_whatever_an_attempt_costs(
    clock: Clock, depth: int, seconds: float, attempt: float
) -> None:
    attempts = 0

    def fail() -> None:
        nonlocal attempts
        attempts += 1
        clock.now += attempt
        raise TimeoutError

    with pytest.raises(TimeoutError):
        nested(depth, TimedRetry(seconds), fail)
    # The last attempt begins within the time; the first one is repeated even after it.
    assert attempts >= 2
    assert clock.now <= max(seconds, attempt + 0.25) + attempt


@pytest.mark.parametrize("down", [0.0, 0.3, 2.0, LONG - 1])
def test_a_redis_that_comes_back_in_time_is_used(clock: Clock, down: float) -> None:
    def work() -> str:
        if clock.now < down:
            raise ConnectionError
        return "done"

    assert nested(2, TimedRetry(LONG), work) == "done"


def test_an_error_that_is_not_to_be_repeated_is_raised_at_once(clock: Clock) -> None:
    def work() -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        TimedRetry(LONG).call_with_retry(work, lambda _: None, lambda _: False)
    assert clock.now == 0.0


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize(("attempt", "most"), [(0.01, 1.5), (0.4, 1.5), (1.0, 1.5), (1.5, 1.5), (2.0, 2.0)])
def test_a_page_waits_no_longer_for_a_redis_that_is_away(clock: Clock, depth: int, attempt: float, most: float) -> None:
    def fail() -> None:
        clock.now += attempt
        raise ConnectionError

    with waiting_at_most(1.5), pytest.raises(ConnectionError):
        nested(depth, TimedRetry(SHORT), fail)
    assert clock.now <= most


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("answer", [0.1, 0.5, 1.4])
def test_a_page_waits_no_longer_for_slow_answers_in_all_and_acts_to_the_end(
    clock: Clock, depth: int, answer: float
) -> None:
    def work() -> None:
        clock.now += answer

    retry, done = TimedRetry(SHORT), 0
    with waiting_at_most(1.5):
        with pytest.raises(TimeoutError, match="slowly"):  # noqa: PT012  # how often it succeeds is the subject
            for _ in range(100):
                nested(depth, retry, work)
                done += 1
        assert 1.5 <= clock.now < 1.5 + answer
        assert done == round(clock.now / answer)
    nested(depth, retry, work)
    with waiting_at_most(1.5):
        nested(depth, retry, work)
        wait_to_the_end()
        for _ in range(20):
            nested(depth, retry, work)
