"""The daily counters of each target, for as long as they are kept."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final, cast

from worker.store.redis import keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from redis import Redis

_FIRST_DAY: Final = date(1970, 1, 1)


class Days:
    """The counters that the scripts keep (`day.lua` names them); a day ends at midnight UTC."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def read(self, targets: Iterable[str], first: date, last: date) -> Mapping[str, Mapping[date, Counter[str]]]:
        """Return the counters of each day from `first` to `last`, by target; a day without events has none."""
        days = [first + timedelta(n) for n in range((last - first).days + 1)]
        pairs = [(target, day) for target in targets for day in days]
        with self._redis.pipeline(transaction=False) as pipe:
            for target, day in pairs:
                pipe.hgetall(keys.day(target, (day - _FIRST_DAY).days))
            hashes: list[dict[str, str]] = pipe.execute()
        counters: dict[str, dict[date, Counter[str]]] = {target: {} for target, _ in pairs}
        for (target, day), counts in zip(pairs, hashes, strict=True):
            counters[target][day] = Counter({name: int(count) for name, count in counts.items()})
        return counters

    def read_hours(self, targets: Iterable[str], day: date) -> list[tuple[int, int]]:
        """Return how many orders were accepted and delivered in each hour of a day of the last 14; one round trip."""
        with self._redis.pipeline(transaction=False) as pipe:
            for target in targets:
                pipe.hgetall(keys.hours(target, (day - _FIRST_DAY).days))
            total: Counter[str] = Counter()
            for counts in pipe.execute():
                total.update({name: int(count) for name, count in counts.items()})
        return [(total[f"in {hour}"], total[f"out {hour}"]) for hour in range(24)]

    def first_counted(self) -> datetime | None:
        """Return when the first order was counted; None if there was none."""
        at = cast("str | None", self._redis.hget(keys.LEDGER, "counted"))
        return None if at is None else datetime.fromtimestamp(int(at) / 1000, UTC)
