"""Orders of one target that wait for a person, dead, in doubt or held: found by filter, and moved on."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args

from worker.store.orders import payload
from worker.store.redis import catalog, clock, keys
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from redis import Redis

#: Why an order waits.
State = Literal["dead", "in_doubt", "held"]
#: The possible moves: see `decide.lua`.
Move = Literal["replay", "discard", "delivered", "send", "again", "bury", "note", "search"]

#: Orders in memory at once.
_CHUNK: Final = 500
_FIELDS: Final = (
    *("code", "detail", "reference", "tries", "uncertain", "step", "done", "again", "tried", "fingerprint", "former"),
)


@dataclass(frozen=True, slots=True)
class StuckOrder:
    """A stuck order: since when (Unix milliseconds), and its record without the order itself."""

    target: str
    key: str
    since: int
    record: dict[str, str]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which orders to select; a criterion that is None or empty selects all. Ages are in seconds."""

    keys: frozenset[str] = frozenset()
    provider: str | None = None
    reason: str | None = None
    pattern: str | None = None
    older: float | None = None
    newer: float | None = None

    def matches_key(self, key: str) -> bool:
        """Return whether the criteria for keys select this order key."""
        return (
            (not self.keys or key in self.keys)
            and (self.provider is None or key.startswith(f"{self.provider}:"))
            and (self.pattern is None or fnmatchcase(key, self.pattern))
        )

    def matches_reason(self, *reasons: str) -> bool:
        """Return whether the reasons (a code, a detail) contain the one to select, ignoring case."""
        return self.reason is None or self.reason.casefold() in " ".join(reasons).casefold()

    def time_range(self, now: int) -> tuple[int, int]:
        """Return the first and the last moment to select, in Unix milliseconds."""
        first = 0 if self.newer is None else now - int(self.newer * 1000)
        return first, now if self.older is None else now - int(self.older * 1000)


def non_empty(redis: Redis, state: State, targets: Sequence[str]) -> list[str]:
    """Return those of the targets that have orders in this state, in one round trip."""
    with redis.pipeline(transaction=False) as pipe:
        for target in targets:
            pipe.exists(_set(keys.LaneKeys.of(target), state))
        return [target for target, exists in zip(targets, pipe.execute(), strict=True) if exists]


def count_states(redis: Redis, targets: Sequence[str]) -> dict[State, int]:
    """Return how many orders of the targets are in each state, in one round trip."""
    states: tuple[State, ...] = get_args(State)
    with redis.pipeline(transaction=False) as pipe:
        for state in states:
            for target in targets:
                pipe.zcard(_set(keys.LaneKeys.of(target), state))
        counts = cast("list[int]", pipe.execute())
    size = len(targets)
    return {state: sum(counts[at * size : (at + 1) * size]) for at, state in enumerate(states)}


def _set(lane: keys.LaneKeys, state: State) -> str:
    return {"dead": lane.dead, "in_doubt": lane.doubt, "held": lane.held}[state]


class Stuck:
    """The stuck orders of one target."""

    def __init__(self, redis: Redis, target: str) -> None:
        self.target = target
        self._redis = redis
        self._scripts = Scripts(redis)
        self._keys = keys.LaneKeys.of(target)

    def orders(self, state: State, selection: Filter) -> Iterator[list[StuckOrder]]:
        """Yield the selected orders in chunks, the longest waiting first.

        The orders of a chunk may be moved before the next chunk is requested. An order that dies meanwhile, even for
        the second time, is left out.
        """
        first, last = selection.time_range(clock.now(self._redis))
        name, seen = _set(self._keys, state), 0
        while chunk := self._redis.zrange(name, first, last, byscore=True, withscores=True, offset=seen, num=_CHUNK):
            scores = {key: int(score) for key, score in cast("list[tuple[str, float]]", chunk)}
            orders = self._read(scores, selection.matches_key)
            if selected := [order for order in orders if _matches(order, selection)]:
                yield selected
            # Orders that were moved are gone or have a new score: the next ones have taken their places.
            left = self._redis.zmscore(name, list(scores))
            seen += sum(score is not None and first <= score <= last for score in left)

    def one(self, state: State, key: str) -> StuckOrder | None:
        """Return one order that waits in this state; None if it does not, or not any more."""
        since = self._redis.zscore(_set(self._keys, state), key)
        return None if since is None else next(self._read({key: int(since)}, lambda _: True))

    def sample(self, most: int, older: float) -> list[StuckOrder]:
        """Return up to `most` orders in doubt for `older` seconds, chosen at random so that each has its turn."""
        chosen = cast("list[str]", self._redis.zrandmember(self._keys.doubt, most))
        if not chosen:
            return []
        last = clock.now(self._redis) - older * 1000
        scores = self._redis.zmscore(self._keys.doubt, chosen)
        ages = {key: int(score) for key, score in zip(chosen, scores, strict=True) if score is not None}
        return list(self._read(ages, lambda key: ages[key] <= last))

    def take_wanted(self, most: int, seconds: float) -> list[StuckOrder]:
        """Return up to `most` orders in doubt that a person wants to be searched for.

        They are wanted again after `seconds` unless `end_searches` names them, so that none is forgotten when a
        worker dies.
        """
        now = clock.now(self._redis)
        due = self._redis.zrange(self._keys.searches, 0, now, byscore=True, offset=0, num=most)
        if not due:
            return []
        wanted = cast("list[str]", due)
        self.want_later(wanted, seconds)
        with self._redis.pipeline(transaction=False) as pipe:
            for key in wanted:
                pipe.zscore(self._keys.doubt, key)
            scores = dict(zip(wanted, pipe.execute(), strict=True))
        self.end_searches(key for key, at in scores.items() if at is None)
        return list(self._read({key: int(at) for key, at in scores.items() if at is not None}, lambda _: True))

    def want_later(self, order_keys: Iterable[str], seconds: float) -> None:
        """Search for these orders after `seconds`, unless their searches have ended."""
        if scores := dict.fromkeys(order_keys, clock.now(self._redis) + int(seconds * 1000)):
            self._redis.zadd(self._keys.searches, cast("Any", scores), xx=True)

    def end_searches(self, order_keys: Iterable[str]) -> None:
        """Forget that a person wants these orders to be searched for: they were, or are not in doubt any more."""
        if ended := list(order_keys):
            self._redis.zrem(self._keys.searches, *ended)

    def _read(self, scores: dict[str, int], matches: Callable[[str], bool]) -> Iterator[StuckOrder]:
        chosen = [key for key in scores if matches(key)]
        with self._redis.pipeline(transaction=False) as pipe:
            for key in chosen:
                pipe.hmget(self._keys.order + key, _FIELDS)
            records = pipe.execute()
        for key, values in zip(chosen, records, strict=True):
            record = {name: value for name, value in zip(_FIELDS, values, strict=True) if value is not None}
            yield StuckOrder(self.target, key, scores[key], record)

    def move(  # noqa: PLR0913  # a move, and what the history says of it
        self,
        move: Move,
        order_keys: Iterable[str],
        *,
        source: str = "by hand",
        target_id: str = "",
        code: str = "",
        detail: str = "",
    ) -> dict[str, str]:
        """Move orders; return "moved" by key, or the state in which the move is impossible ("" for an unknown order).

        Args:
            move: The move.
            order_keys: The orders to move.
            source: Who decided, for the history.
            target_id: The target's id of a delivered order.
            code: The code of a note.
            detail: The text of a note, without personal data.
        """
        k, chosen = self._keys, list(order_keys)
        results: list[str] = self._scripts(
            catalog.DECIDE,
            chosen,
            lane=k.lane,
            due=k.due,
            dead=k.dead,
            doubt=k.doubt,
            held=k.held,
            searches=k.searches,
            keep_history_ms=keys.KEEP_HISTORY_MS,
            move=move,
            source=source,
            target_id=target_id,
            code=code,
            detail=detail,
            **k.prefixes,
        )
        return dict(zip(chosen, results, strict=True))

    def note_reference(self, key: str, reference: str) -> None:
        """Note the reference under which the target has an order in doubt."""
        self._redis.hset(self._keys.order + key, "reference", reference)

    def contents(self, order_keys: Sequence[str]) -> list[tuple[str, str]]:
        """Return each order as JSON, and the fields of the response that refused it; "" for what is not kept.

        Both are personal data. One round trip.
        """
        with self._redis.pipeline(transaction=False) as pipe:
            for key in order_keys:
                pipe.get(self._keys.payload + key)
                pipe.hget(self._keys.order + key, "fields")
            found = cast("list[str | None]", pipe.execute())
        pairs = zip(found[::2], found[1::2], strict=True)
        return [(payload.unpack(packed) if packed else "", fields or "") for packed, fields in pairs]

    def payload(self, key: str) -> str | None:
        """Return what the source says of the order as JSON, while it is not delivered: personal data."""
        packed = cast("str | None", self._redis.get(self._keys.payload + key))
        return None if packed is None else payload.unpack(packed)

    def sent_payload(self, key: str) -> str | None:
        """Return the order as it is sent, with the corrections of a person: personal data."""
        text = self.payload(key)
        corrections = cast("str | None", self._redis.get(keys.correction(self.target) + key))
        return payload.correct(text, corrections) if text and corrections else text


def _matches(order: StuckOrder, selection: Filter) -> bool:
    return selection.matches_reason(order.record.get("code", ""), order.record.get("detail", ""))
