"""Reports: what the last reconciliation of each pair found."""

from __future__ import annotations

import contextlib
import json
import secrets
from typing import TYPE_CHECKING, Any, cast

from worker.store.redis import clock, keys
from worker.store.redis.heartbeat import Heartbeat
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from redis import Redis


class Reports:
    """The last report of each pair of a provider and a target, without anything personal; and who makes the next."""

    def __init__(self, redis: Redis, *, lease: float, heartbeat: float) -> None:
        self._redis, self._scripts = redis, Scripts(redis)
        self._lease, self._interval = lease, heartbeat

    @contextlib.contextmanager
    def try_lock(self, provider: str, target: str) -> Iterator[bool]:
        """Whether nobody else compares this pair at the moment: one at a time, over all workers."""
        name, owner = keys.reconciling(provider, target), secrets.token_hex(8)
        lease = int(self._lease * 1000)
        if not self._redis.set(name, owner, nx=True, px=lease):
            yield False
            return
        renewed = Heartbeat(lambda: bool(self._scripts("renew", [name], [owner, lease])), self._interval, self._lease)
        try:
            with renewed:
                yield True
        finally:
            self._scripts("renew", [name], [owner, 0])

    def save(self, provider: str, target: str, counts: Mapping[str, int], *, error: str = "") -> None:
        """Keep what was counted, or why it was not; it takes the place of the report before."""
        told = json.dumps({"at": clock.now(self._redis) // 1000, "counts": dict(counts), "error": error})
        self._redis.set(keys.reconciled(provider, target), told)

    def last(self, provider: str, target: str) -> dict[str, Any] | None:
        """`at` (Unix seconds), `counts`, `error`; None if the pair was never compared."""
        text = cast("str | None", self._redis.get(keys.reconciled(provider, target)))
        return None if text is None else cast("dict[str, Any]", json.loads(text))
