"""Callers that are later than their slots wait in line: each for a departure of its own."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING

from support.gates import depart, pass_gate
from worker.store.limits.limit import Limit
from worker.store.limits.limiter import Scope

if TYPE_CHECKING:
    from redis import Redis


def test_callers_that_are_late_together_ask_for_a_departure_of_their_own_each(redis: Redis) -> None:
    scope, asked = Scope(redis, "s", (Limit(20, 1.0),)), []
    timed = scope._scripts.timed
    scope._scripts.timed = lambda *args, **named: asked.append(1) or timed(*args, **named)  # type: ignore[method-assign,func-returns-value]

    def call() -> None:
        scope.enter()
        sent = scope.depart()
        time.sleep(0.01)  # each request is sent late, so that those behind it are late as well
        assert sent is not None
        sent()

    calls = 24
    with ThreadPoolExecutor(calls) as pool:
        for each in [pool.submit(copy_context().run, call) for _ in range(calls)]:
            each.result()
    assert len(asked) < 4 * calls


def test_a_caller_that_comes_long_after_its_slot_does_not_delay_the_others(redis: Redis) -> None:
    scope = Scope(redis, "s", (Limit(20, 1.0),))
    tardy = copy_context()
    tardy.run(scope.enter)
    for _ in range(10):
        pass_gate(scope)
    assert tardy.run(depart, scope)[0] == 0
    time.sleep(2 * scope.interval / 1e6)
    assert tardy.run(depart, scope)[0] == 1
    assert scope._reserve(2.0, scope.windows) <= scope.interval
