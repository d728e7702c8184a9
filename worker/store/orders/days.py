"""What became of the orders of each target, day by day, for as long as it is kept."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, cast

from worker.store.redis import keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from redis import Redis

_BEGAN = date(1970, 1, 1)


class Days:
    """The counters that the scripts keep (see `day.lua`, which names them); a day ends at midnight UTC."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def read(self, targets: Iterable[str], first: date, last: date) -> Mapping[str, Mapping[date, Counter[str]]]:
        """The counters of each day from `first` to `last`, by target; a day on which nothing happened has none."""
        days = [first + timedelta(n) for n in range((last - first).days + 1)]
        names = [(target, day) for target in targets for day in days]
        with self._redis.pipeline(transaction=False) as pipe:
            for target, day in names:
                pipe.hgetall(keys.day(target, (day - _BEGAN).days))
            answers: list[dict[str, str]] = pipe.execute()
        found: dict[str, dict[date, Counter[str]]] = {target: {} for target, _ in names}
        for (target, day), counts in zip(names, answers, strict=True):
            found[target][day] = Counter({name: int(count) for name, count in counts.items()})
        return found

    def first_counted(self) -> datetime | None:
        """When the first order was counted; None if none was."""
        at = cast("str | None", self._redis.hget(keys.LEDGER, "counted"))
        return None if at is None else datetime.fromtimestamp(int(at) / 1000, UTC)
