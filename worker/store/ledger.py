"""The ledger: which order is where, for every target, and how it came there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from worker.store import keys
from worker.store.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis import Redis

    from schemas.order import Order
    from worker.store.scripts import Argument


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the ledger made of a page, order by order: new, same, stale, replaced, revived or changed."""

    results: tuple[str, ...]
    #: Drains that are at work on the lane already.
    drains: int

    @property
    def wake(self) -> bool:
        """Whether somebody has to be told that the lane has work."""
        return not self.drains and any(result in {"new", "revived"} for result in self.results)


@dataclass(frozen=True, slots=True)
class Entry:
    """The ledger's record of one order for one target, and its story (milliseconds and event, oldest first)."""

    target: str
    record: dict[str, str]
    story: tuple[tuple[int, str], ...]
    #: When it is sent (Unix milliseconds), if it is queued.
    due: int | None = None


class Ledger:
    """The ledger of all targets."""

    def __init__(self, redis: Redis, *, lease: float) -> None:
        self._redis = redis
        self._scripts = Scripts(redis)
        self._lease_ms = int(lease * 1000)

    def accept(
        self, target: str, orders: Sequence[tuple[Order, str]], source: str, *, first_walk: bool = False
    ) -> Accepted:
        """Write orders, each with its reference, into the ledger and onto the lane of `target`.

        Args:
            target: Name of the target.
            orders: Orders and what the target is to know them by.
            source: Where they come from ("poll shop-nl"), for the story.
            first_walk: The ledger is new or was lost: the target may hold them already, ask before creating.
        """
        k = keys.LaneKeys.of(target)
        args: list[Argument] = [k.order, k.payload, k.story, self._lease_ms, source, int(first_walk)]
        for order, reference in orders:
            # A decimal string sorts like the number it is, as long as shorter means smaller.
            args += [
                order.key,
                reference,
                order.fingerprint(),
                str(order.version or 0),
                order.model_dump_json(exclude_defaults=True),
            ]
        drains, results = self._scripts("accept", [k.lane, k.due, k.drains, k.dead], args)
        return Accepted(tuple(results), drains)

    def entries(self, targets: Sequence[str], order_key: str) -> list[Entry]:
        """Everything known of one order, for those of `targets` that know it."""
        found = []
        for target in targets:
            k = keys.LaneKeys.of(target)
            record = cast("dict[str, str]", self._redis.hgetall(k.order + order_key))
            if record:
                lines = cast("list[str]", self._redis.lrange(k.story + order_key, 0, -1))
                story = tuple((int(at), event) for at, event in (line.split(" ", 1) for line in lines))
                due = self._redis.zscore(k.due, order_key)
                found.append(Entry(target, record, story, None if due is None else int(due)))
        return found
