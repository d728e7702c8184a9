"""Orders of a provider that are to be fetched one by one, because somebody gave a hint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from worker.store.redis import clock
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis import Redis

#: Milliseconds that one fetch may take, with the waiting for the limit.
_LEASE = 120_000


@dataclass(frozen=True, slots=True)
class Fetch:
    """An order to fetch; `tries` is how often the provider did not have it."""

    external_id: str
    score: str
    tries: int


class Fetches:
    """What is to be fetched, by provider. Many hints of one order are one fetch; a hint during the fetch is another."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._scripts = Scripts(redis)

    @staticmethod
    def _keys(provider: str) -> list[str]:
        return [f"intake:fetch:{provider}", f"intake:fetch:{provider}:tries"]

    def add(self, provider: str, external_ids: Iterable[str]) -> None:
        """Fetch these, now."""
        self._redis.zadd(self._keys(provider)[0], dict.fromkeys(external_ids, clock.now(self._redis)))

    def claim(self, provider: str, most: int) -> list[Fetch]:
        """Take up to `most` that are due."""
        return [Fetch(*it) for it in self._scripts("fetch", self._keys(provider), [most, _LEASE])]

    def settle(self, provider: str, fetch: Fetch, what: Literal["done", "again", "wait"], delay: float = 0.0) -> None:
        """It is done with; or try again after `delay` seconds: it is not there yet, or (wait) not its fault."""
        self._scripts("fetched", self._keys(provider), [fetch.external_id, fetch.score, what, int(delay * 1000)])

    def find(self, provider: str, external_id: str) -> tuple[int, int] | None:
        """When this order is to be fetched (Unix milliseconds), and how often it was not there; None: nobody asked."""
        due, tries = self._keys(provider)
        at = self._redis.zscore(due, external_id)
        return None if at is None else (int(at), int(self._redis.hget(tries, external_id) or 0))

    def count_due(self, provider: str) -> int:
        """How many may be fetched now."""
        return int(self._redis.zcount(self._keys(provider)[0], "-inf", clock.now(self._redis)))

    def count_waiting(self, provider: str) -> int:
        """How many are to be fetched, now or later."""
        return int(self._redis.zcard(self._keys(provider)[0]))
