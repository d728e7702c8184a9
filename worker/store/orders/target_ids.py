"""The ids that the targets gave the orders: an order is found by the number that people there know it by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.store.redis import catalog, keys
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis import Redis


class TargetIds:
    """The index of the ids of all targets, which the scripts keep (`ids.lua`)."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._scripts = Scripts(redis)

    def find(self, targets: Sequence[str], target_id: str) -> list[tuple[str, str]]:
        """Return the targets that have an order under this id, each with the order key; one round trip."""
        text = target_id.encode("utf-8", "replace").decode()
        if not text or not targets:
            return []
        with self._redis.pipeline(transaction=False) as pipe:
            for target in targets:
                prefix = keys.LaneKeys.of(target).order
                self._scripts.enqueue(pipe, catalog.IDENTIFIED, record_prefix=prefix, id=text)
            found = self._scripts.execute(pipe)
        return [(target, key) for target, order_keys in zip(targets, found, strict=True) for key in order_keys]
