"""The limiter on a real server, with real processes."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time

import pytest
from redis import Redis

from support.gates import depart, pass_gate
from worker.errors import RateLimited
from worker.store.limits.limit import Limit
from worker.store.limits.limiter import Scope, use_spare_slots

pytestmark = pytest.mark.alone

TEN = (Limit(10, 1.0),)
FIFTY = (Limit(50, 1.0),)

CALLER = """
import sys, time
from worker.store.redis.connection import connect
from worker.store.limits.limiter import Scope, use_spare_slots
from worker.store.limits.limit import Limit
from worker.errors import RateLimited
redis = connect(sys.argv[1])
scope = Scope(redis, "s", (Limit(int(sys.argv[2]), 1.0),))
until = time.monotonic() + float(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
while time.monotonic() < until:
    try:
        scope.enter()
        if sent := scope.depart():
            sent()
    except RateLimited as limited:
        time.sleep(limited.delay)
        continue
    print(time.monotonic(), flush=True)
"""


def departures(redis_url: str, processes: int, rate: int, seconds: float) -> list[float]:
    args = [sys.executable, "-c", CALLER, redis_url, str(rate), str(seconds + 1)]
    callers = [
        subprocess.Popen(args, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    for caller in callers:
        assert caller.stdout is not None
        assert caller.stdout.readline() == "ready\n"
    for caller in callers:
        assert caller.stdin is not None
        caller.stdin.write("go\n")
        caller.stdin.flush()
    times: list[float] = []
    for caller in callers:
        out, _ = caller.communicate(timeout=60)
        times += [float(line) for line in out.split()]
    return sorted(times)


def test_eight_processes_keep_the_limit_together_in_every_second(redis_url: str, redis: Redis) -> None:
    times = departures(redis_url, 8, 10, 5)
    assert max(sum(start <= t < start + 1.0 for t in times) for start in times) <= 10
    assert len(times) >= 0.9 * 10 * (times[-1] - times[0])


def test_calls_are_spaced_evenly_without_a_burst_at_the_start(redis: Redis) -> None:
    scope = Scope(redis, "s", FIFTY)
    times = []
    for _ in range(10):
        pass_gate(scope)
        times.append(time.monotonic())
    assert min(b - a for a, b in itertools.pairwise(times)) > 0.015


def test_a_call_behind_a_late_one_waits_for_the_interval(redis: Redis) -> None:
    """Let one call leave 80 ms late: the next one must wait although its slot has come."""
    scope = Scope(redis, "s", TEN)
    pass_gate(scope)
    slots = [scope._reserve(2.0, scope.windows) for _ in range(2)]
    time.sleep(slots[0] / 1e6 + 0.08)
    assert depart(scope)[:2] == (1, 0)
    time.sleep(0.02)
    granted, wait, _ = depart(scope)
    assert not granted
    assert wait > 50_000


def test_a_request_that_was_sent_late_delays_the_next_one(redis: Redis) -> None:
    scope = Scope(redis, "s", TEN)
    pass_gate(scope)
    scope.enter()
    sent = scope.depart()
    assert sent is not None
    time.sleep(0.06)
    sent()
    late = time.monotonic()
    pass_gate(scope)
    assert time.monotonic() - late > 0.099


def test_a_turn_too_far_off_is_refused_at_once_and_reserves_nothing(redis: Redis) -> None:
    scope = Scope(redis, "s", (Limit(1, 5.0),), patience=1.0)
    pass_gate(scope)
    started = time.monotonic()
    for _ in range(3):
        with pytest.raises(RateLimited) as caught:
            pass_gate(scope)
    assert time.monotonic() - started < 0.5
    assert 4 < caught.value.delay <= 5.2


def test_closing_a_scope_stops_its_waiting_callers(redis: Redis) -> None:
    scope = Scope(redis, "s", TEN)
    pass_gate(scope)
    caught: list[RateLimited] = []

    def wait() -> None:
        try:
            pass_gate(Scope(redis, "s", TEN))
        except RateLimited as limited:
            caught.append(limited)

    waiter = threading.Thread(target=wait)
    waiter.start()
    time.sleep(0.03)
    assert scope.close(3.0) == pytest.approx(3.0, abs=0.01)
    waiter.join()
    assert 2.5 < caught[0].delay <= 3.0


def test_a_closed_scope_refuses_every_process_and_reopens_automatically(redis: Redis) -> None:
    Scope(redis, "s", TEN).close(0.5)
    with pytest.raises(RateLimited):
        pass_gate(Scope(redis, "s", TEN, patience=0.1))
    time.sleep(0.5)
    pass_gate(Scope(redis, "s", TEN, patience=0.1))


def test_a_scope_without_a_given_time_stays_closed_longer_with_every_strike(redis: Redis) -> None:
    scope = Scope(redis, "s", TEN)
    first = scope.close(None)
    time.sleep(first + 0.01)
    second = scope.close(None)
    assert first == pytest.approx(0.102, abs=0.02)
    assert second == pytest.approx(2 * first, abs=0.02)


def test_calls_refused_together_are_one_strike(redis: Redis) -> None:
    scope = Scope(redis, "s", TEN)
    for _ in range(5):
        scope.close(None)
    assert redis.hget("intake:limit:s", "strikes") == "1"


def pace(redis: Redis) -> float:
    return float(redis.hget("intake:limit:s", "pace") or 1)


def test_a_throttled_scope_slows_down_and_recovers_automatically(redis: Redis) -> None:
    scope = Scope(redis, "s", (Limit(1000, 1.0),))
    for _ in range(6):
        scope.close(0.0)
    slowed = pace(redis)
    assert slowed > 1.5
    for _ in range(60):
        pass_gate(scope)
    assert 1.05 < pace(redis) < (1 + slowed) / 2


def test_a_single_refusal_widens_the_distance_by_a_hundredth_that_shrinks_slowly(redis: Redis) -> None:
    scope = Scope(redis, "s", (Limit(1000, 1.0),))
    scope.close(0.0)
    assert pace(redis) == pytest.approx(1.01)
    for _ in range(40):
        pass_gate(scope)
    assert pace(redis) == pytest.approx(1.008, abs=0.0005)
    scope.close(0.0)
    assert pace(redis) == pytest.approx(1.018, abs=0.0005), "not in a row with the first"


def test_a_longer_window_may_run_ahead_by_half_and_never_beyond_its_count(redis: Redis) -> None:
    scope = Scope(redis, "s", (Limit(1000, 1.0), Limit(20, 4.0)), patience=0.0)
    entered = 0
    for _ in range(60):
        try:
            pass_gate(scope)
        except RateLimited:
            time.sleep(0.01)
        else:
            entered += 1
    assert 10 <= entered <= 20


def test_a_scope_without_a_limit_makes_no_redis_call() -> None:
    scope = Scope(Redis(port=9), "s", ())  # where no Redis is
    for _ in range(3):
        pass_gate(scope)


def test_callers_whose_turn_is_far_off_are_refused_at_once(redis: Redis) -> None:
    refused: list[float] = []
    began = time.monotonic()

    def call() -> None:
        try:
            Scope(redis, "s", (Limit(1, 1.0),), patience=1.5).enter()
        except RateLimited:
            refused.append(time.monotonic() - began)

    callers = [threading.Thread(target=call) for _ in range(5)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(refused) == 3
    assert max(refused) < 1.0


def test_no_longer_window_exceeds_its_count(redis: Redis) -> None:
    scope = Scope(redis, "s", (Limit(1000, 1.0), Limit(20, 1.0)), patience=0.0)
    entered = 0
    until = time.monotonic() + 0.95
    while time.monotonic() < until:
        try:
            pass_gate(scope)
        except RateLimited:
            time.sleep(0.005)
        else:
            entered += 1
    assert 15 <= entered <= 20


def test_a_yielding_caller_gets_no_slot_that_another_needs(redis: Redis) -> None:
    scope = Scope(redis, "s", (Limit(2, 1.0),))
    pass_gate(scope)
    before, entered = redis.hget("intake:limit:s", "next"), threading.Event()

    def wait() -> None:
        with use_spare_slots():
            pass_gate(scope)
        entered.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.1)
    assert redis.hget("intake:limit:s", "next") == before, "it must not reserve a slot while it waits"
    assert not entered.is_set()
    assert entered.wait(5), "it enters when the slot is free"
    waiting.join()
    hasty = Scope(redis, "s", (Limit(2, 1.0),), patience=0.2)
    with use_spare_slots(), pytest.raises(RateLimited):
        pass_gate(hasty)


def test_a_yielding_caller_has_the_whole_limit_when_nobody_else_calls(redis: Redis) -> None:
    scope = Scope(redis, "s", FIFTY)
    started = time.monotonic()
    with use_spare_slots():
        for _ in range(25):
            pass_gate(scope)
    assert 24 * scope.interval / 1e6 <= time.monotonic() - started < 5


def test_a_yielding_caller_leaves_the_advance_of_a_quota_to_others(redis: Redis) -> None:
    scope = Scope(redis, "s", (Limit(1000, 1.0), Limit(10, 60.0)), patience=0.1)
    with use_spare_slots():
        pass_gate(scope)
        with pytest.raises(RateLimited):
            pass_gate(scope)
    for _ in range(4):
        pass_gate(scope)


def test_a_call_waits_for_at_most_one_slot_of_a_yielding_caller(redis: Redis) -> None:
    scope, stop, waits = Scope(redis, "s", FIFTY), threading.Event(), []

    def bulk() -> None:
        mine = Scope(redis, "s", FIFTY)
        with use_spare_slots():
            while not stop.is_set():
                pass_gate(mine)

    threads = [threading.Thread(target=bulk) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        time.sleep(0.031)
        reserved = scope._reserve(2.0, scope.windows)
        waits.append(reserved / scope.interval)
        depart(scope)
    stop.set()
    for thread in threads:
        thread.join()
    assert max(waits) <= 1.01, waits
