"""Checks of Redis and of the broker: each client connects as its processes do."""

from __future__ import annotations

import asyncio
import importlib.util
from typing import TYPE_CHECKING, Final

from worker.cli.setup.account_checks import Finding
from worker.durations import count_of
from worker.errors import AuthFailed, Unavailable
from worker.runtime import redis_url
from worker.store.redis.connection import ERRORS, FORBIDDEN, connect
from worker.store.redis.diagnosis import refusal, state_of
from worker.store.redis.states import STATES, State
from worker.watch.judgements import judge_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.settings.alarms import AlarmSettings
    from worker.settings.load import Settings
    from worker.store.redis.server import Server

#: Seconds of a round trip to Redis, and between its clock and ours, above which there is a warning.
_SLOW: Final = 0.02
_APART: Final = 5.0
#: The oldest Redis that runs scripts while it is full (their flag allow-oom).
_OLDEST: Final = (7, 0)
_BLIND: Final = (
    "this user may not run INFO: a restart, a failover or a restored backup of Redis is not detected, and orders may be"
    " created twice after it"
)


def unusable(what: str, error: Exception, url: str | None = None) -> Finding:
    """Return the finding for an error that Redis caused; with its address, the server is asked more closely."""
    if isinstance(error, FORBIDDEN) and "'info'" in str(error).lower():
        return Finding(what, "error", _BLIND, STATES["no_permission"].remedy)
    if url is None:
        return _finding(what, state_of(error))
    with connect(url, patience="short") as redis:
        return _finding(what, state_of(error, redis))


def _finding(what: str, state: State) -> Finding:
    return Finding(what, "error", state.sentence, state.remedy)


def examine_server(server: Server, rules: AlarmSettings) -> Iterator[Finding]:
    """Check that orders are safe in this Redis."""
    judgements = {judgement.kind: judgement for judgement in judge_server(server, rules)}
    if server.cluster:
        yield _finding("redis", STATES["cluster"])
    elif server.replica:
        yield _finding("redis", STATES["replica"])
    elif server.version[:2] < _OLDEST:
        yield Finding("redis", "error", f"{server.name} is too old", "Use Redis 7.0 or newer, or Valkey.")
    else:
        yield Finding("redis", "ok", f"{server.name} responds")
    if evicts := judgements.get("redis_evicts"):
        yield Finding("redis eviction", "error", evicts.facts, evicts.remedy)
    else:
        yield Finding("redis eviction", "ok", "maxmemory-policy noeviction")
    if not_saving := judgements.get("redis_not_saving"):
        yield Finding("redis persistence", "error", not_saving.facts, not_saving.remedy)
    elif not server.appends:
        detail = "appendonly no: a restart of Redis loses the jobs of producers, and every order is read again"
        yield Finding(
            "redis persistence", "warning", detail, "Set appendonly yes, also in the configuration file of Redis."
        )
    else:
        yield Finding("redis persistence", "ok", "appendonly yes")
    if server.behind_sentinels and server.good_replicas is None:
        detail = "min-replicas-to-write 0: a master without its replicas accepts orders that a failover loses"
        yield Finding("redis replicas", "warning", detail, "Set min-replicas-to-write 1 on every server.")
    elif server.behind_sentinels:
        yield Finding(
            "redis replicas",
            "ok",
            f"min-replicas-to-write is set; {count_of(server.good_replicas or 0, 'replica')} keep up",
        )
    if full := judgements.get("redis_full"):
        yield Finding("redis memory", "warning", full.facts, full.remedy)


def examine_distance(seconds: float, ahead: float) -> Iterator[Finding]:
    """Check that Redis is near, and that its clock agrees with ours."""
    remedy = "Run Redis near the workers: each order takes several round trips." if seconds > _SLOW else ""
    yield _warning_if_remedy("redis latency", f"a round trip takes {seconds * 1000:.1f} ms", remedy)
    apart = f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    remedy = (
        "Synchronize both clocks by NTP: signatures and the log use the clock of this machine."
        if abs(ahead) > _APART
        else ""
    )
    yield _warning_if_remedy("redis clock", apart, remedy)


def _warning_if_remedy(what: str, detail: str, remedy: str) -> Finding:
    return Finding(what, "warning" if remedy else "ok", detail, remedy)


def examine_clients(settings: Settings) -> Iterator[Finding]:
    """Check that Redis takes writes, that a message of Celery passes the broker, and that Flower reads the queues."""
    with connect(redis_url(settings), patience="short") as redis:
        if state := refusal(redis):
            yield _finding("redis writes", state)
    yield _examine_broker(settings)
    if settings.broker_url is None and importlib.util.find_spec("flower"):
        yield _examine_flower(redis_url(settings))


def _examine_broker(settings: Settings) -> Finding:
    from kombu.exceptions import OperationalError

    from worker.app.broker_check import pass_message

    of_redis: tuple[type[Exception], ...] = (OperationalError, *ERRORS)
    try:
        return Finding("broker", "ok", f"a message of Celery passed {pass_message(settings)}")
    except AuthFailed as error:
        return Finding("broker", "error", str(error), "Check the user, the password and the host in celery.broker.")
    except Unavailable as error:
        return Finding("broker", "error", str(error), "Start the broker, or correct celery.broker.")
    except of_redis as error:
        return unusable("broker", error)


def _examine_flower(url: str) -> Finding:
    from worker.app.flower_broker import queue_length

    try:
        asyncio.run(queue_length(url))
    except ERRORS as error:
        return unusable("flower", error)
    return Finding("flower", "ok", "it can read the queues")
