"""A snapshot of all that Intake keeps in Redis: counts, ages and reasons, never an order."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import ResponseError

from worker.store.health.lane_state import LaneState, read_lanes
from worker.store.health.outbox import FAILING
from worker.store.health.signs import FILES, Signs
from worker.store.redis import keys
from worker.store.redis.clock import enqueue_reading, read_step, read_time
from worker.store.redis.server import parse_info

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from redis import Redis
    from redis.client import Pipeline

    from worker.store.inbox import Inbox
    from worker.store.redis.clock import Step
    from worker.store.redis.server import Server
    from worker.store.registry.absent import Absent


@dataclass(frozen=True, slots=True)
class ProviderState:
    """The polls of one provider; times in Unix seconds, None if it never happened."""

    #: The cursor, as the adapter wrote it.
    cursor: str | None = None
    started: float | None = None
    #: When a page was last read and accepted.
    success: float | None = None
    #: When a walk came to its end; None while the next one is on its way.
    finished: float | None = None
    #: When the cursor was last written, and when it last changed its value.
    moved: float | None = None
    turned: float | None = None
    error: str = ""
    #: Failed polls in a row, and when the next one is due.
    failures: int = 0
    retry_at: float | None = None
    records: int = 0
    #: Why it is paused, and when the pause ends by itself.
    paused: str | None = None
    paused_until: float | None = None
    #: Records that could not be read.
    malformed: int = 0
    #: Orders that are to be fetched one by one.
    hints: int = 0
    #: Orders that no route creates, by "TARGET RULE".
    left_out: Mapping[str, int] = field(default_factory=dict)
    #: Orders by a status that is not understood; "": by all further ones.
    unknown: Mapping[str, int] = field(default_factory=dict)
    #: By source ("poll", "hint", "push"): when the last new order came, and how many came.
    arrived: Mapping[str, float] = field(default_factory=dict)
    arrivals: Mapping[str, int] = field(default_factory=dict)
    #: When the first order came by a hint or a push that no poll has read yet; None if there is none.
    unseen: float | None = None
    #: New orders in a row that no hint and no push announced.
    missed: int = 0


@dataclass(frozen=True, slots=True)
class LimitState:
    """One rate limit."""

    #: Seconds for which the other side closed it.
    closed: float = 0.0
    #: Calls since the beginning, in the last minute, and allowed per minute (None: no limit).
    calls: int = 0
    used: int = 0
    allowed: int | None = None
    #: By which factor it is slowed down after refusals.
    slowed: float = 1.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything at the moment `now` (Unix seconds, clock of the ledger); the ledger exists since `began`."""

    now: float
    began: float
    providers: Mapping[str, ProviderState] = field(default_factory=dict)
    lanes: Mapping[str, LaneState] = field(default_factory=dict)
    limits: Mapping[str, LimitState] = field(default_factory=dict)
    #: As `Inbox.status` returns it.
    inbox: Mapping[str, int] = field(default_factory=dict)
    #: Waiting messages by Celery queue.
    queues: Mapping[str, int] = field(default_factory=dict)
    #: See `worker/store/health/signs.py`.
    signs: Mapping[str, float] = field(default_factory=dict)
    #: The fingerprint of the settings of each process, by the name of its sign.
    files: Mapping[str, str] = field(default_factory=dict)
    #: The last report of each pair that was compared (see `worker/store/feeds/reports.py`).
    reports: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    #: Why the last message to a destination of alarms was not accepted (see `Outbox.note_failure`).
    failing: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: None if this user may not run INFO.
    server: Server | None = None
    #: The last step of Redis' clock; None if there was none.
    clock_step: Step | None = None
    #: The maps in files that cannot be read, by the name of their account: the key, the reason and the remedy of each.
    broken_maps: Mapping[str, Sequence[tuple[str, str, str]]] = field(default_factory=dict)
    #: The accounts with which no process starts: the key in the settings, the reason and the remedy of each.
    refused: Sequence[tuple[str, str, str]] = ()
    #: What the ledger has of accounts that are not in the settings any more, and that nobody gave up.
    absent: Sequence[Absent] = ()

    def silence(self, target: str) -> float:
        """Return for how many seconds nothing is sent to `target` yet because the ledger is new."""
        return max(0.0, self.began + self.lanes[target].quarantine - self.now)


def read_snapshot(  # noqa: PLR0913  # the names of what is read
    redis: Redis,
    inbox: Inbox,
    *,
    providers: Iterable[str],
    targets: Mapping[str, float],
    limits: Mapping[str, int | None],
    queues: Iterable[str],
    pairs: Iterable[tuple[str, str]],
) -> Snapshot:
    """Read a snapshot in a few round trips, however much is configured. Raise whatever an unreachable Redis raises.

    Args:
        redis: The connection.
        inbox: The inbox, on a connection of its own.
        providers: Their names.
        targets: By name, how long a new ledger sends nothing to them (s).
        limits: By name, calls allowed per minute.
        queues: The Celery queues.
        pairs: The pairs of a provider and a target that are compared.
    """
    names, waiting, compared = [*providers], [*queues], {*pairs}
    with redis.pipeline(transaction=False) as pipe:
        enqueue_reading(pipe)
        pipe.get(keys.EPOCH)
        for name in names:
            _queue_provider(pipe, name)
        for name in limits:
            pipe.hmget(keys.limit(name), "closed_until", "calls", "minute", "minute_calls", "before", "pace")
        for name in waiting:
            pipe.llen(name)
        # Not by pair: there may be as many as providers times targets, and few were ever compared.
        pipe.hgetall(keys.RECONCILED)
        pipe.hgetall(FAILING)
        pipe.hgetall(FILES)
        responses = iter(pipe.execute())
    time, clock = next(responses), next(responses)
    now = read_time(time, clock)
    began = next(responses)
    return Snapshot(
        now=now,
        began=int(began) / 1000 if began else now,
        providers={name: _provider(responses) for name in names},
        lanes=read_lanes(redis, targets, now),
        limits={name: _limit(next(responses), allowed, now) for name, allowed in limits.items()},
        queues={name: next(responses) for name in waiting},
        reports=dict(_reports(next(responses), compared)),
        failing={destination: json.loads(text) for destination, text in next(responses).items()},
        files=next(responses),
        inbox=inbox.status(),
        signs=Signs(redis).all(),
        server=_server(redis),
        clock_step=read_step(clock),
    )


def _reports(
    texts: Mapping[str, str], pairs: Collection[tuple[str, str]]
) -> Iterator[tuple[tuple[str, str], Mapping[str, Any]]]:
    for name, text in sorted(texts.items()):
        provider, _, target = name.partition(" ")
        if (provider, target) in pairs:
            yield (provider, target), json.loads(text)


def _queue_provider(pipe: Pipeline, name: str) -> None:
    pipe.hgetall(keys.cursor(name))
    pipe.hgetall(keys.arrivals(name))
    pipe.hlen(keys.malformed(name))
    pipe.zcard(keys.fetches(name))
    pipe.hgetall(keys.left_out(name))
    pipe.hgetall(keys.unknown_statuses(name))


def _provider(responses: Iterator[Any]) -> ProviderState:
    known: dict[str, str] = next(responses)
    came: dict[str, str] = next(responses)
    times = {name: int(known[name]) / 1000 for name in _TIMES if name in known}
    success = [times[name] for name in ("finished", "moved") if name in times]
    return ProviderState(
        **times,
        cursor=known.get("value"),
        success=max(success, default=None),
        error=known.get("error", ""),
        failures=int(known.get("failures", 0)),
        records=int(known.get("records", 0)),
        paused=known.get("paused"),
        arrived={name[5:]: int(at) / 1000 for name, at in came.items() if name.startswith("last_")},
        arrivals={name[6:]: int(count) for name, count in came.items() if name.startswith("count_")},
        unseen=int(came["unseen"]) / 1000 if came.get("turn", "none") == known.get("turned", "") else None,
        missed=int(came.get("missed", 0)),
        malformed=next(responses),
        hints=next(responses),
        left_out={rule: int(count) for rule, count in next(responses).items()},
        unknown={code: int(count) for code, count in next(responses).items()},
    )


#: The times (ms) in the hash of a cursor that a snapshot carries under the same name.
_TIMES: Final = ("started", "finished", "moved", "turned", "retry_at", "paused_until")


def _limit(answer: Sequence[str | None], allowed: int | None, now: float) -> LimitState:
    closed, calls, last, in_minute, before, pace = (float(value or 0) for value in answer)
    minute, into = divmod(now, 60)
    # The share of the minute before that the last sixty seconds still contain.
    share = 1 - into / 60
    used = in_minute + before * share if last == minute else in_minute * share if last == minute - 1 else 0
    return LimitState(max(0.0, closed / 1e6 - now), int(calls), round(used), allowed, pace or 1.0)


def _server(redis: Redis) -> Server | None:
    try:
        return parse_info(redis.info())
    except ResponseError:
        return None  # this user may not run INFO
