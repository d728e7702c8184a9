"""Reports: the results of the last reconciliation of each pair."""

from __future__ import annotations

import contextlib
import json
import secrets
from typing import TYPE_CHECKING, Any

from worker.store.redis import catalog, clock, keys
from worker.store.redis.heartbeat import Heartbeat
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from redis import Redis


class Reports:
    """The last report of each pair of a provider and a target, without personal data; and the lock for the next one."""

    def __init__(self, redis: Redis, *, lease: float, heartbeat: float) -> None:
        self._redis, self._scripts = redis, Scripts(redis)
        self._lease, self._interval = lease, heartbeat

    @contextlib.contextmanager
    def try_lock(self, provider: str, target: str) -> Iterator[bool]:
        """Yield whether this process alone may compare the pair now, over all workers."""
        lease, owner, lease_ms = keys.reconciling(provider, target), secrets.token_hex(8), int(self._lease * 1000)
        if not self._scripts(catalog.MARK, mark=lease, value=owner, lifetime_ms=lease_ms):
            yield False
            return

        def renew() -> bool:
            return bool(self._scripts(catalog.RENEW, lease=lease, owner=owner, lease_ms=lease_ms))

        try:
            with Heartbeat(renew, self._interval, self._lease):
                yield True
        finally:
            self._scripts(catalog.RENEW, lease=lease, owner=owner, lease_ms=0)

    def save(
        self,
        provider: str,
        target: str,
        counts: Mapping[str, int],
        *,
        error: str = "",
        findings: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Save the counts of a comparison, or the error that prevented it, in place of the last report.

        The findings, without personal data, are kept apart from the counts, which every snapshot reads.
        """
        report = {"at": clock.now(self._redis) // 1000, "counts": dict(counts), "error": error}
        pair = f"{provider} {target}"
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(keys.RECONCILED, pair, json.dumps(report))
            pipe.hset(keys.FINDINGS, pair, json.dumps([*findings]))
            pipe.execute()

    def read(self, provider: str, target: str) -> dict[str, Any] | None:
        """Return the last report of a pair with its findings; None if it was never compared."""
        pair = f"{provider} {target}"
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hget(keys.RECONCILED, pair)
            pipe.hget(keys.FINDINGS, pair)
            report, findings = pipe.execute()
        return None if report is None else {**json.loads(report), "findings": json.loads(findings or "[]")}
