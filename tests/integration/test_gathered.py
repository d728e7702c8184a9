"""Scripts of many threads in one round trip: `intake check` asks hundreds of accounts at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

import worker.store.redis.gathered
from worker.errors import StoreFull
from worker.store.limits.limit import Limit
from worker.store.limits.limiter import Scope
from worker.store.redis import catalog
from worker.store.redis.gathered import GatheredScripts

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

MANY = 40


@pytest.fixture
def gathered(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> GatheredScripts:
    """Return scripts whose first caller waits until all `MANY` have called."""
    scripts = GatheredScripts(redis)

    def wait_for_all(_: float) -> None:
        while len(scripts._waiting) < MANY:
            threading.Event().wait(0.001)

    monkeypatch.setattr(worker.store.redis.gathered, "time", _Time(wait_for_all))
    return scripts


class _Time:
    def __init__(self, sleep: Callable[[float], None]) -> None:
        self.sleep, self.monotonic = sleep, lambda: 7.0


def from_all_threads(call: Callable[[int], Any]) -> list[Any]:
    """Return the result of each thread, or its error."""

    def guarded(number: int) -> Any:
        try:
            return call(number)
        except Exception as error:  # noqa: BLE001  # compared by the test
            return error

    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(guarded, range(MANY)))


def pipelines(redis: Redis) -> int:
    return int(redis.info("commandstats")["cmdstat_script|exists"]["calls"])


def test_each_limit_is_kept_and_all_of_them_take_one_round_trip(redis: Redis, gathered: GatheredScripts) -> None:
    slow, fast = (Limit(1, 60.0),), (Limit(1000, 1.0),)
    scopes = [Scope(redis, f"s{n // 2}", slow if n < MANY // 2 else fast, scripts=gathered) for n in range(MANY)]
    redis.config_resetstat()
    waits = from_all_threads(lambda number: scopes[number]._reserve(2.0, scopes[number].windows))
    assert pipelines(redis) == 1
    for first, second in zip(waits[: MANY // 2 : 2], waits[1 : MANY // 2 : 2], strict=True):
        assert max(first, second) == 0
        assert min(first, second) == pytest.approx(-60 * 1.02e6, rel=0.01)
    for wait in waits[MANY // 2 :]:
        assert 0 <= wait <= 1020


def test_a_departure_is_timed_from_when_the_round_trip_began(redis: Redis, gathered: GatheredScripts) -> None:
    own = {"slot": 0, "lead_us": 0, "debt_us": 0, "keep_ms": 1000}
    sent = from_all_threads(lambda n: gathered.timed(catalog.DEPART, [1, 1000, 0], scope=f"intake:limit:{n}", **own))
    assert {(at, granted) for at, (granted, _, _) in sent} == {(7.0, 1)}
    assert redis.exists(*(f"intake:limit:{n}" for n in range(MANY))) == MANY


def test_the_error_of_one_script_concerns_its_caller_only(redis: Redis, gathered: GatheredScripts) -> None:
    redis.set("intake:limit:3", "no hash")
    results = from_all_threads(
        lambda n: gathered(catalog.RESERVE, [1, 1000, 0], scope=f"intake:limit:{n}", patience_us=0, keep_ms=1000)
    )
    assert "WRONGTYPE" in str(results.pop(3))
    assert [result[:2] for result in results] == [[1, 0]] * (MANY - 1)


@pytest.mark.parametrize("error", [RedisConnectionError("gone"), StoreFull("full")])
def test_an_error_of_the_round_trip_is_raised_to_all(
    gathered: GatheredScripts, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(_: Any) -> None:
        raise error

    monkeypatch.setattr(gathered, "responses", fail)
    results = from_all_threads(
        lambda n: gathered(catalog.RESERVE, [1, 1000, 0], scope=f"intake:limit:{n}", patience_us=0, keep_ms=1000)
    )
    assert results == [error] * MANY
