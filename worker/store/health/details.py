"""Details that `status` shows beside a snapshot: neither an alarm nor a metric needs them."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, cast

from worker.store.redis import keys

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis import Redis

#: Dead orders of each target, the newest, whose reasons are counted.
_REASONS_OF: Final = 200


def read_backfills(redis: Redis, providers: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the backfill hash of each provider, which is empty if there never was one; one round trip."""
    names = list(providers)
    with redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hgetall(keys.backfill(name))
        return dict(zip(names, pipe.execute(), strict=True))


def dead_reasons(redis: Redis, targets: Iterable[str]) -> list[dict[str, Any]]:
    """Count why the newest dead orders of each target are dead; reasons that differ only in a number count as one.

    Two round trips. Each row has `count`, `target`, `code`, `reason`; the most frequent comes first.
    """
    lanes = {target: keys.LaneKeys.of(target) for target in targets}
    with redis.pipeline(transaction=False) as pipe:
        for lane in lanes.values():
            pipe.zrange(lane.dead, 0, _REASONS_OF - 1, desc=True)
        dead = [(target, key) for target, found in zip(lanes, pipe.execute(), strict=True) for key in found]
    with redis.pipeline(transaction=False) as pipe:
        for target, key in dead:
            pipe.hmget(lanes[target].order + key, "code", "detail")
        records = cast("list[list[str | None]]", pipe.execute())
    counts = Counter(
        (target, code or "", re.sub(r"\d+", "N", detail or ""))
        for (target, _), (code, detail) in zip(dead, records, strict=True)
    )
    return [
        {"count": count, "target": target, "code": code, "reason": reason}
        for (target, code, reason), count in counts.most_common()
    ]
