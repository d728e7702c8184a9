"""Call a strict server as often as a limiter of 10 calls a second permits.

`python -m bench.programs.caller LIMITER URL REDIS SECONDS`, where LIMITER is a key of `LIMITERS`. The program prints
"ready" and starts when it reads a line from its input.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import requests
from redis import Redis

if TYPE_CHECKING:
    from collections.abc import Callable


def intake(url: str, redis: str) -> Callable[[], None]:
    """Return a call behind Intake's limiter: a refusal by the server closes the limit for every process."""
    from worker.errors import RateLimited
    from worker.http.client import Client
    from worker.store.limits.limit import Limit
    from worker.store.limits.limiter import Scope
    from worker.store.redis.connection import connect

    gate = Scope(connect(redis), "bench", [Limit.parse("10/s")])
    client = Client(url, gate=gate, headers={}, throttle_statuses=frozenset({503}))

    def call() -> None:
        try:
            client.read("/strict/x")
        except RateLimited as limited:
            time.sleep(limited.delay)

    return call


def limits(url: str, redis: str) -> Callable[[], None]:
    """Return a call behind `limits`: a moving window of 1 s (its shortest) in Redis, sleeping until its reset time."""
    from limits import RateLimitItemPerSecond
    from limits.storage import storage_from_string
    from limits.strategies import MovingWindowRateLimiter

    limiter, item, session = MovingWindowRateLimiter(storage_from_string(redis)), RateLimitItemPerSecond(10), _session()

    def call() -> None:
        while not limiter.hit(item, "bench"):
            time.sleep(max(0.001, limiter.get_window_stats(item, "bench").reset_time - time.time()))
        session.get(f"{url}/strict/x", timeout=30)

    return call


def pyrate(url: str, redis: str, *, count: int, milliseconds: int) -> Callable[[], None]:
    """Return a call behind PyrateLimiter's bucket in Redis, which waits by itself."""
    from pyrate_limiter import Limiter, Rate, RedisBucket

    limiter = Limiter(RedisBucket.init([Rate(count, milliseconds)], Redis.from_url(redis), "bench"))
    session = _session()

    def call() -> None:
        limiter.try_acquire("bench")
        session.get(f"{url}/strict/x", timeout=30)

    return call


def _session() -> requests.Session:
    return requests.Session()


LIMITERS: dict[str, Callable[[str, str], Callable[[], None]]] = {
    "intake": intake,
    "limits": limits,
    "pyrate": lambda url, redis: pyrate(url, redis, count=10, milliseconds=1000),
    "pyrate-spaced": lambda url, redis: pyrate(url, redis, count=1, milliseconds=100),
}


def main(limiter: str, url: str, redis: str, seconds: float) -> None:
    """Call the server for some seconds."""
    call = LIMITERS[limiter](url, redis)
    print("ready", flush=True)
    sys.stdin.readline()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        call()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]))
