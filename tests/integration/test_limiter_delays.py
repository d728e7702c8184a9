"""A call that leaves a little late: above a rate at which only windows can be meant, the next does not pay for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.gates import depart
from worker.store.limits.limit import Limit
from worker.store.limits.limiter import EVEN, LONGEST_DEBT, Scope
from worker.store.redis import catalog

if TYPE_CHECKING:
    from redis import Redis

HUNDRED = (Limit(100, 1.0),)
TEN = (Limit(10, 1.0),)


def now_us(redis: Redis) -> int:
    """Return the time of the server in microseconds."""
    seconds, microseconds = redis.time()
    return int(seconds) * 1_000_000 + int(microseconds)


def departed(redis: Redis, scope: Scope) -> int:
    """Return from when the interval to the next call counts."""
    return int(redis.hget(scope._key, "departed") or 0)


@pytest.mark.parametrize("late_ms", [0, 3, 7, 30, 900])
@pytest.mark.parametrize(("limits", "refused"), [(HUNDRED, False), (HUNDRED, True), (TEN, False)])
def test_a_delay_is_made_up_for_as_far_as_the_limit_bears_it(
    redis: Redis, limits: tuple[Limit, ...], late_ms: int, *, refused: bool
) -> None:
    scope = Scope(redis, "s", limits)
    pace = 1.25 if refused else 1
    if refused:
        redis.hset(scope._key, "pace", "1.25")
    began = now_us(redis)
    previous = began - scope.interval * pace - late_ms * 1000
    redis.hset(scope._key, "departed", f"{previous:.0f}")
    assert depart(scope)[:2] == (1, 0)
    debt = scope._debt if limits is HUNDRED and not refused else 0
    least, most = (max(previous + scope.interval * pace, now - debt) for now in (began, now_us(redis)))
    assert least - 1 <= departed(redis, scope) <= most + 1


@pytest.mark.parametrize(("limits", "reported"), [(HUNDRED, False), (TEN, True)])
def test_a_request_that_was_sent_a_little_late_is_reported_only_where_no_delay_is_made_up_for(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, limits: tuple[Limit, ...], *, reported: bool
) -> None:
    scope, reports = Scope(redis, "s", limits), list[object]()
    monkeypatch.setattr(scope, "_scripts", lambda script, **_: reports.append(script))
    monkeypatch.setattr("worker.store.limits.limiter.time.monotonic", lambda: 7.0)
    scope._report(7.0 - scope.interval * 0.1 / 1e6, "1")
    assert reports == ([catalog.LATE] if reported else [])


def test_a_request_that_was_sent_later_delays_the_next_one_but_for_what_is_made_up_for(redis: Redis) -> None:
    scope = Scope(redis, "s", HUNDRED)
    assert depart(scope)[0] == 1
    before = departed(redis, scope) + 40_000  # the server's time has to pass it: a report is not believed ahead of it
    while now_us(redis) < before:
        pass
    scope._scripts(
        catalog.LATE,
        scope=scope._key,
        departed_us=before - 40_000,
        late_us=40_000,
        debt_us=scope._debt,
    )
    assert departed(redis, scope) == before - scope._debt


@pytest.mark.parametrize("count", [1, 10, 40, EVEN, EVEN + 1, 100, 600, 5000])
@pytest.mark.parametrize("period", [1.0, 60.0, 3600.0])
def test_what_is_made_up_for_never_lets_a_call_too_many_into_a_window(redis: Redis, count: int, period: float) -> None:
    scope = Scope(redis, "s", (Limit(count, period),))
    # One call more than the limit spans `count` intervals, less what the first may leave late and the last not.
    assert scope.interval * count - 2 * scope._debt > period * 1e6
    assert 2 * scope._debt <= LONGEST_DEBT
    assert not scope._debt or count / period > EVEN
