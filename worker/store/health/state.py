"""The state of everything, read from Redis at once: counts, ages and reasons, and no order."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import ResponseError

from worker.store.health.signs import Signs
from worker.store.redis import keys
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from redis import Redis
    from redis.client import Pipeline

    from worker.store.inbox import Inbox

#: Milliseconds that a death is news: an hour.
LATELY: Final = 3_600_000
#: Orders that are looked at on each end of a lane, for the one that waits longest.
_LOOK: Final = 5
#: Fields of a lane that count nothing.
_NO_COUNTERS: Final = frozenset({"paused", "closed_until", "failures", "asked"})


@dataclass(frozen=True, slots=True)
class ProviderState:
    """What is known of one provider's polls; times in Unix seconds."""

    #: The last time that a page was read, whole.
    success: float | None = None
    #: The last time that the cursor took another value.
    turned: float | None = None
    error: str = ""
    #: Polls that failed in a row.
    failures: int = 0
    records: int = 0
    paused: str | None = None
    #: Records that could not be read.
    malformed: int = 0
    #: Orders that are to be fetched one by one.
    hints: int = 0
    #: By what it came ("poll", "hint", "push"): when the last new order came, and how many did.
    arrived: Mapping[str, float] = field(default_factory=dict)
    arrivals: Mapping[str, int] = field(default_factory=dict)
    #: When the first order came by a hint or a push that the poll has not come to see since; None: it has.
    unseen: float | None = None
    #: New orders in a row that the poll alone found.
    missed: int = 0


@dataclass(frozen=True, slots=True)
class LaneState:
    """What stands on one lane; ages in seconds, 0 where there is none."""

    #: The counters since the beginning, by the names in Redis.
    counts: Mapping[str, int] = field(default_factory=dict)
    queued: int = 0
    due: int = 0
    in_flight: int = 0
    drains: int = 0
    dead: int = 0
    died_lately: int = 0
    in_doubt: int = 0
    held: int = 0
    #: How long the order that waits longest for its delivery does.
    oldest: float = 0.0
    oldest_doubt: float = 0.0
    oldest_held: float = 0.0
    paused: str | None = None
    #: Calls that failed in a row.
    failures: int = 0
    #: How long nothing is sent after this ledger began: what an older one sent may still be on its way.
    quiet: float = 0.0
    #: Deliveries by how long they took: bound in seconds ("inf": longer); "ms" is their sum.
    took: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LimitState:
    """Seconds that a limit is closed, and calls that it let through."""

    closed: float = 0.0
    calls: int = 0


@dataclass(frozen=True, slots=True)
class ServerState:
    """Memory in bytes, `limit` 0 where there is none; None: the server does not let us ask."""

    used: int
    limit: int
    writes: bool


@dataclass(frozen=True, slots=True)
class State:
    """All of it, at the moment `now` (Unix seconds, Redis' clock); `began` is when this ledger did."""

    now: float
    began: float
    providers: Mapping[str, ProviderState] = field(default_factory=dict)
    lanes: Mapping[str, LaneState] = field(default_factory=dict)
    limits: Mapping[str, LimitState] = field(default_factory=dict)
    #: As `Inbox.status` says.
    inbox: Mapping[str, int] = field(default_factory=dict)
    #: Messages that wait in each Celery queue.
    queues: Mapping[str, int] = field(default_factory=dict)
    #: See `worker/store/health/signs.py`.
    signs: Mapping[str, float] = field(default_factory=dict)
    #: By pair: the last report (see `worker/store/feeds/reports.py`).
    reports: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    server: ServerState | None = None


def read(  # noqa: PLR0913  # the names of what is to be read
    redis: Redis,
    inbox: Inbox,
    *,
    providers: Iterable[str],
    targets: Mapping[str, float],
    limits: Iterable[str],
    queues: Iterable[str],
    pairs: Iterable[tuple[str, str]],
) -> State:
    """Read the state in one go: a few round trips, whatever is configured. Raises what a Redis that is away raises.

    `targets` says how long each is quiet while the ledger is new (s).
    """
    names, lanes, scopes, waiting, reported = [*providers], [*targets], [*limits], [*queues], [*pairs]
    with redis.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.get(keys.EPOCH)
        for name in names:
            _ask_provider(pipe, name)
        scripts = Scripts(redis)
        for name in lanes:
            _ask_lane(pipe, scripts, name)
        for name in scopes:
            pipe.hmget(keys.limit(name), "closed_until", "calls")
        for name in waiting:
            pipe.llen(name)
        for pair in reported:
            pipe.get(keys.reconciled(*pair))
        answers = iter(pipe.execute())
    seconds, micros = next(answers)
    now = seconds + micros / 1e6
    began = next(answers)
    return State(
        now=now,
        began=int(began) / 1000 if began else now,
        providers={name: _provider(answers) for name in names},
        lanes={name: _lane(next(answers), targets[name]) for name in lanes},
        limits={name: _limit(next(answers), now) for name in scopes},
        queues={name: next(answers) for name in waiting},
        reports={pair: json.loads(text) for pair in reported if (text := next(answers))},
        inbox=inbox.status(),
        signs=Signs(redis).all(),
        server=_server(redis),
    )


def _ask_provider(pipe: Pipeline, name: str) -> None:
    pipe.hgetall(keys.cursor(name))
    pipe.hgetall(keys.arrivals(name))
    pipe.hlen(keys.malformed(name))
    pipe.zcard(keys.fetches(name))


def _provider(answers: Iterator[Any]) -> ProviderState:
    known: dict[str, str] = next(answers)
    came: dict[str, str] = next(answers)
    read = [int(known[name]) / 1000 for name in ("finished", "moved") if name in known]
    return ProviderState(
        success=max(read, default=None),
        turned=int(known["turned"]) / 1000 if "turned" in known else None,
        error=known.get("error", ""),
        failures=int(known.get("failures", 0)),
        records=int(known.get("records", 0)),
        paused=known.get("paused"),
        arrived={name[5:]: int(at) / 1000 for name, at in came.items() if name.startswith("last_")},
        arrivals={name[6:]: int(count) for name, count in came.items() if name.startswith("count_")},
        unseen=int(came["unseen"]) / 1000 if came.get("turn", "none") == known.get("turned", "") else None,
        missed=int(came.get("missed", 0)),
        malformed=next(answers),
        hints=next(answers),
    )


def _ask_lane(pipe: Pipeline, scripts: Scripts, name: str) -> None:
    k = keys.LaneKeys.of(name)
    scripts.enqueue(
        pipe, "look", [k.lane, k.due, k.drains, k.dead, k.doubt, k.held, k.took], [k.claims, k.order, LATELY, _LOOK]
    )


def _lane(answer: Sequence[Any], quiet: float) -> LaneState:
    fields, queued, due, in_flight, drains, dead, died_lately, in_doubt, held, *ages, took = answer
    oldest, oldest_doubt, oldest_held = (age / 1000 for age in ages)
    known = _pairs(fields)
    return LaneState(
        # Not counters: when something is, and why.
        counts={name: int(value) for name, value in known.items() if name not in _NO_COUNTERS},
        queued=queued,
        due=due,
        in_flight=in_flight,
        drains=drains,
        dead=dead,
        died_lately=died_lately,
        in_doubt=in_doubt,
        held=held,
        oldest=oldest,
        oldest_doubt=oldest_doubt,
        oldest_held=oldest_held,
        paused=known.get("paused"),
        failures=int(known.get("failures", 0)),
        quiet=quiet,
        took={name: int(value) for name, value in _pairs(took).items()},
    )


def _pairs(flat: Sequence[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _limit(answer: Sequence[str | None], now: float) -> LimitState:
    closed, calls = answer
    return LimitState(max(0.0, float(closed or 0) / 1e6 - now), int(calls or 0))


def _server(redis: Redis) -> ServerState | None:
    try:
        info = redis.info("memory") | redis.info("persistence")
    except ResponseError:
        return None  # this user may not ask
    states = ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status")
    writes = all(info.get(name, "ok") == "ok" for name in states)
    return ServerState(int(info.get("used_memory", 0)), int(info.get("maxmemory", 0)), writes)
