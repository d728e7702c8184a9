"""The lane of one target as a snapshot shows it, read by commands that name no order and need no script."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from worker.store.orders.lanes import LOOK
from worker.store.redis import keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from redis import Redis
    from redis.client import Pipeline

#: Milliseconds for which a dead order counts as recent: an hour.
RECENT: Final = 3_600_000
#: How often the lanes are read again because a drain began meanwhile.
_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class LaneState:
    """The lane of one target; ages in seconds, 0 if there is no such order."""

    #: The numbers in the hash of the lane: counters since the beginning, and times (ms) of its state.
    fields: Mapping[str, int] = field(default_factory=dict)
    #: Orders to be sent: `due` now, `retrying` later, `bulk` after all others.
    queued: int = 0
    due: int = 0
    retrying: int = 0
    bulk: int = 0
    in_flight: int = 0
    drains: int = 0
    dead: int = 0
    died_lately: int = 0
    in_doubt: int = 0
    held: int = 0
    #: Age of the oldest undelivered order, from its acceptance; a change of a delivered order counts from its place.
    oldest: float = 0.0
    oldest_doubt: float = 0.0
    oldest_held: float = 0.0
    #: How long the first order of the lane has been due.
    overdue: float = 0.0
    #: Why it is paused, and when the pause ends by itself (Unix seconds).
    paused: str | None = None
    paused_until: float | None = None
    #: Failed calls in a row, and for how long nothing is sent because of them.
    failures: int = 0
    closed: float = 0.0
    #: How long a new ledger sends nothing here: a request of the ledger before it may still arrive.
    quarantine: float = 0.0
    #: Deliveries by duration: upper bound in seconds ("inf": longer); "ms" is the sum.
    took: Mapping[str, int] = field(default_factory=dict)


def read_lanes(redis: Redis, targets: Mapping[str, float], now: float) -> dict[str, LaneState]:
    """Return the lane of each target, given with its quarantine in seconds, all at one moment.

    It takes two round trips, and one more for each time that a drain began between them.
    """
    lanes = [keys.LaneKeys.of(target) for target in targets]
    drains, oldest = _first(redis, lanes)
    for _ in range(_TRIES):
        with redis.pipeline(transaction=True) as pipe:
            for lane, members, note in zip(lanes, drains, oldest, strict=True):
                _enqueue(pipe, lane, members, note, now)
            responses = iter(pipe.execute())
        answers = [_answer(responses, members) for members in drains]
        known, drains = drains, [answer.drains for answer in answers]
        if known == drains:
            break
    return {
        target: _state(answer, note, quarantine, now)
        for (target, quarantine), answer, note in zip(targets.items(), answers, oldest, strict=True)
    }


def _first(redis: Redis, lanes: Sequence[keys.LaneKeys]) -> tuple[list[list[str]], list[tuple[int, str]]]:
    """Return the drains of each lane, and what the last sweep noted of its oldest order."""
    with redis.pipeline(transaction=False) as pipe:
        for lane in lanes:
            pipe.zrange(lane.drains, 0, -1)
            pipe.get(lane.oldest)
        responses = pipe.execute()
    notes = [(text or "0 ").split(" ", 1) for text in responses[1::2]]
    return responses[::2], [(int(at), key) for at, key in notes]


@dataclass(frozen=True, slots=True)
class _Answer:
    """The responses to the commands of `_enqueue`, in their order."""

    fields: dict[str, str]
    drains: list[str]
    queued: int
    due: int
    bulk: int
    front: list[tuple[str, float]]
    back: list[tuple[str, float]]
    dead: int
    died_lately: int
    in_doubt: int
    oldest_doubt: list[tuple[str, float]]
    held: int
    oldest_held: list[tuple[str, float]]
    took: dict[str, str]
    noted: float | None
    claimed: list[int]


#: How many commands `_enqueue` adds before those of the drains.
_COMMANDS: Final = len(fields(_Answer)) - 1


def _answer(responses: Iterator[Any], drains: Iterable[str]) -> _Answer:
    answers: list[Any] = [next(responses) for _ in range(_COMMANDS)]
    answers.append([next(responses) for _ in drains])
    return _Answer(*answers)


def _enqueue(pipe: Pipeline, lane: keys.LaneKeys, drains: Iterable[str], note: tuple[int, str], now: float) -> None:
    """Add the commands that read a lane whose drains are known."""
    pipe.hgetall(lane.lane)
    pipe.zrange(lane.drains, 0, -1)
    pipe.zcard(lane.due)
    pipe.zcount(lane.due, "-inf", int(now * 1000))
    pipe.zcount(lane.due, keys.BULK_OFFSET, "+inf")
    pipe.zrange(lane.due, 0, LOOK - 1, withscores=True)
    pipe.zrange(lane.due, -LOOK, -1, withscores=True)
    pipe.zcard(lane.dead)
    pipe.zcount(lane.dead, int(now * 1000) - RECENT, "+inf")
    for members in (lane.doubt, lane.held):
        pipe.zcard(members)
        pipe.zrange(members, 0, 0, withscores=True)
    pipe.hgetall(lane.took)
    pipe.zscore(lane.due, note[1])
    for drain in drains:
        pipe.scard(lane.claims + drain)


def _state(answer: _Answer, note: tuple[int, str], quarantine: float, now: float) -> LaneState:
    known = answer.fields

    def age(at_ms: float | None) -> float:
        return 0.0 if at_ms is None else max(0.0, now - at_ms / 1000)

    def first(members: Sequence[tuple[str, float]]) -> float | None:
        return members[0][1] if members else None

    # A retry moves an order back: when it was accepted, the sweep has noted.
    waiting = [score % keys.BULK_OFFSET for _, score in (*answer.front, *answer.back)]
    if answer.noted is not None:
        waiting.append(note[0])
    return LaneState(
        fields={name: int(value) for name, value in known.items() if name not in keys.LANE_TEXTS},
        queued=answer.queued,
        due=answer.due,
        retrying=answer.queued - answer.due - answer.bulk,
        bulk=answer.bulk,
        in_flight=sum(answer.claimed),
        drains=len(answer.drains),
        dead=answer.dead,
        died_lately=answer.died_lately,
        in_doubt=answer.in_doubt,
        held=answer.held,
        oldest=age(min(waiting, default=None)),
        oldest_doubt=age(first(answer.oldest_doubt)),
        oldest_held=age(first(answer.oldest_held)),
        overdue=age(first(answer.front)),
        paused=known.get("paused"),
        paused_until=int(known["paused_until"]) / 1000 if "paused_until" in known else None,
        failures=int(known.get("failures", 0)),
        closed=max(0.0, int(known.get("closed_until", 0)) / 1000 - now),
        quarantine=quarantine,
        took={name: int(value) for name, value in answer.took.items()},
    )
