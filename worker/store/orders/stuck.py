"""Orders of one target that wait for a person, dead or in doubt: found by filter, and moved on."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, Literal, cast

from worker.store.orders import payload
from worker.store.orders.lanes import KEEP_HISTORY_MS
from worker.store.redis import clock, keys
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from redis import Redis

    from worker.store.redis.scripts import Argument

#: Why an order waits.
State = Literal["dead", "in_doubt"]
#: What can be done with one: see `decide.lua`.
Move = Literal["replay", "discard", "delivered", "send", "again", "bury", "note"]

#: Orders in memory at once.
_AT_ONCE: Final = 500
_FIELDS: Final = ("code", "detail", "reference", "tries", "uncertain", "step", "done", "again")


@dataclass(frozen=True, slots=True)
class StuckOrder:
    """One of them: since when (Unix milliseconds), and what is known of it but the order itself."""

    target: str
    key: str
    since: int
    record: dict[str, str]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which ones are meant; what is None or empty leaves nothing out. Ages are in seconds."""

    keys: frozenset[str] = frozenset()
    provider: str | None = None
    reason: str | None = None
    pattern: str | None = None
    older: float | None = None
    newer: float | None = None

    def matches_key(self, key: str) -> bool:
        """Whether the order of this key is meant, as far as its key tells."""
        return (
            (not self.keys or key in self.keys)
            and (self.provider is None or key.startswith(f"{self.provider}:"))
            and (self.pattern is None or fnmatchcase(key, self.pattern))
        )

    def matches_reason(self, *why: str) -> bool:
        """Whether this is the reason that is meant: a part of the code or of the detail, in any letter case."""
        return self.reason is None or self.reason.casefold() in " ".join(why).casefold()

    def time_range(self, now: int) -> tuple[int, int]:
        """The first and the last moment that are meant, in Unix milliseconds."""
        first = 0 if self.newer is None else now - int(self.newer * 1000)
        return first, now if self.older is None else now - int(self.older * 1000)


class Stuck:
    """Those of one target."""

    def __init__(self, redis: Redis, target: str) -> None:
        self.target = target
        self._redis = redis
        self._scripts = Scripts(redis)
        self._keys = keys.LaneKeys.of(target)

    def orders(self, state: State, wanted: Filter) -> Iterator[list[StuckOrder]]:
        """The orders that are meant, some at a time, the longest waiting first.

        What is given out may be moved before the next are asked for; what dies meanwhile, even again, is left out.
        """
        first, last = wanted.time_range(clock.now(self._redis))
        name, seen = self._set(state), 0
        while chunk := self._redis.zrange(name, first, last, byscore=True, withscores=True, offset=seen, num=_AT_ONCE):
            scores = {key: int(score) for key, score in cast("list[tuple[str, float]]", chunk)}
            if found := [one for one in self._read(scores, wanted.matches_key) if _meant(one, wanted)]:
                yield found
            # Those that were moved are not there any more, or there anew: the next ones have come up in their place.
            left = self._redis.zmscore(name, list(scores))
            seen += sum(score is not None and first <= score <= last for score in left)

    def sample(self, most: int, older: float) -> list[StuckOrder]:
        """Up to `most` orders, taken by chance so that all have their turn, that are in doubt for `older` seconds."""
        chosen = cast("list[str]", self._redis.zrandmember(self._keys.doubt, most))
        if not chosen:
            return []
        last = clock.now(self._redis) - older * 1000
        scores = self._redis.zmscore(self._keys.doubt, chosen)
        ages = {key: int(score) for key, score in zip(chosen, scores, strict=True) if score is not None}
        return list(self._read(ages, lambda key: ages[key] <= last))

    def _read(self, scores: dict[str, int], names: Callable[[str], bool]) -> Iterator[StuckOrder]:
        chosen = [key for key in scores if names(key)]
        with self._redis.pipeline(transaction=False) as pipe:
            for key in chosen:
                pipe.hmget(self._keys.order + key, _FIELDS)
            records = pipe.execute()
        for key, values in zip(chosen, records, strict=True):
            known = {name: value for name, value in zip(_FIELDS, values, strict=True) if value is not None}
            yield StuckOrder(self.target, key, scores[key], known)

    def move(
        self, what: Move, order_keys: Iterable[str], *, who: str = "by hand", said: str = "", detail: str = ""
    ) -> dict[str, str]:
        """Move orders on; answers "moved" by key, or the state for which the move is none ("" for an unknown order).

        Args:
            what: The move.
            order_keys: Of which orders.
            who: Who decided, for their stories.
            said: The target's id of a delivered order; the code of a note.
            detail: The text of a note, without personal data.
        """
        k = self._keys
        args: list[Argument] = [k.order, k.payload, k.history, KEEP_HISTORY_MS, what, who, said, detail]
        chosen = list(order_keys)
        done: list[str] = self._scripts("decide", [k.lane, k.due, k.dead, k.doubt, k.held], [*args, *chosen])
        return dict(zip(chosen, done, strict=True))

    def payload(self, key: str) -> str | None:
        """The order itself, as JSON, while it is not delivered: personal data."""
        kept = cast("str | None", self._redis.get(self._keys.payload + key))
        return None if kept is None else payload.unpack(kept)

    def _set(self, state: State) -> str:
        return self._keys.dead if state == "dead" else self._keys.doubt


def _meant(order: StuckOrder, wanted: Filter) -> bool:
    return wanted.matches_reason(order.record.get("code", ""), order.record.get("detail", ""))
