"""Orders of a provider that are to be fetched one by one, because a producer gave a hint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from worker.store.redis import catalog, keys
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from redis import Redis

#: Milliseconds that one fetch may take, including the wait for the limit.
_LEASE_MS = 120_000


@dataclass(frozen=True, slots=True)
class Fetch:
    """An order to fetch; `tries` is how often the provider did not have it, `place` where a search was interrupted."""

    external_id: str
    score: str
    tries: int
    place: str = ""


class Fetches:
    """The orders to fetch, by provider. Many hints of one order are one fetch; a hint during a fetch is another."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._scripts = Scripts(redis)

    @staticmethod
    def _keys(provider: str) -> dict[str, str]:
        return {
            "due": keys.fetches(provider),
            "tries": keys.fetch_tries(provider),
            "places": keys.fetch_places(provider),
        }

    def add(self, provider: str, external_ids: Iterable[str]) -> None:
        """Make these orders due now."""
        self._scripts(catalog.SCHEDULE, list(external_ids), due=keys.fetches(provider), delay_ms=0)

    def claim(self, provider: str, most: int) -> list[Fetch]:
        """Claim up to `most` orders that are due."""
        claimed = self._scripts(catalog.FETCH, most=most, lease_ms=_LEASE_MS, **self._keys(provider))
        return [Fetch(*values) for values in claimed]

    def settle(
        self,
        provider: str,
        fetch: Fetch,
        outcome: Literal["done", "again", "wait"],
        delay: float = 0.0,
        *,
        place: str = "",
    ) -> None:
        """Record that the fetch is done, or to be repeated after `delay` seconds, from the `place` where it stopped.

        "again" counts as a try: the provider did not have the order. "wait" does not: the order is not at fault. An
        order is fetched again, although it is done, if Redis forgot what was written for it.
        """
        self._scripts(
            catalog.FETCHED,
            external_id=fetch.external_id,
            score=fetch.score,
            outcome=outcome,
            delay_ms=int(delay * 1000),
            place=place,
            **self._keys(provider),
        )

    def find(self, orders: Sequence[tuple[str, str]]) -> list[tuple[int, int] | None]:
        """Return when each order (its provider and external id) is due, in Unix ms, and how often it was not found.

        None stands for an order without a hint. It takes one round trip.
        """
        with self._redis.pipeline(transaction=False) as pipe:
            for provider, external_id in orders:
                pipe.zscore(keys.fetches(provider), external_id)
                pipe.hget(keys.fetch_tries(provider), external_id)
            found = iter(pipe.execute())
        return [None if at is None else (int(at), int(tries or 0)) for at, tries in zip(found, found, strict=True)]

    def count_waiting(self, provider: str) -> int:
        """Return the number of orders to fetch, now or later."""
        return int(self._redis.zcard(keys.fetches(provider)))
