"""`intake status --json`: a snapshot and what was judged of it, as plain data; the screen shows the same."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from worker.operations.backfill_words import describe_backfill
from worker.operations.cursor_words import cursor_time
from worker.settings.in_use import copy_of
from worker.store.health.details import dead_reasons, read_backfills
from worker.store.redis.diagnosis import refusal
from worker.store.redis.server import may_write
from worker.watch.judgements import Judgement, alarms, judge
from worker.watch.snapshot import take_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from worker.runtime import Runtime
    from worker.settings.load import Settings
    from worker.store.health.state import Snapshot
    from worker.store.redis.server import Server

#: Seconds after its last sign of life for which a process counts as running.
_ALIVE: Final = 15.0
#: Seconds after a reload in which a process that it replaced may give its last sign.
_REPLACED: Final = 2.0


def document(rt: Runtime) -> dict[str, Any]:
    """Read and judge everything; times are in seconds, ages are counted on the clock of Redis."""
    snapshot, settings = take_snapshot(rt), rt.settings
    judgements, now = judge(snapshot, settings), snapshot.now
    if may_write(rt.redis) and (state := refusal(rt.redis)):
        # No watch can raise this as an alarm, because that is a write.
        judgements.insert(0, Judgement("redis_refuses", "redis", state.sentence, state.remedy, "standstill"))
    judgements[:0] = judge_file(snapshot, settings)
    backfills = read_backfills(rt.redis, settings.providers)
    return {
        "attention": [
            {
                "what": judgement.sentence,
                "command": judgement.remedy,
                "name": judgement.kind,
                "subject": judgement.subject,
                "severity": judgement.severity,
                "since": judgement.since,
            }
            for judgement in judgements
        ],
        "at": int(now),
        "file": settings.file,
        "providers": {name: _provider(snapshot, settings, name, backfill) for name, backfill in backfills.items()},
        "inbox": dict(snapshot.inbox),
        "lanes": {name: _lane(snapshot, settings, name) for name in settings.targets},
        "limits": {
            name: {
                "closed_s": round(limit.closed, 1),
                "used": limit.used,
                "allowed": limit.allowed,
                "slowed": round(limit.slowed, 2),
            }
            for name, limit in snapshot.limits.items()
        },
        "limits_closed_s": {name: round(limit.closed, 1) for name, limit in snapshot.limits.items()},
        "reconciled": {
            f"{provider} > {target}": {**report, "age_s": round(now - report["at"])}
            for (provider, target), report in snapshot.reports.items()
        },
        "signs": {process: cast("float", _age(now, at)) for process, at in snapshot.signs.items()},
        "alarms": [alarm.as_json() for alarm in alarms(judgements)],
        "sweep_every_s": settings.clocks.sweep,
        "redis": snapshot.server and _server(snapshot.server),
    }


def full_document(rt: Runtime) -> dict[str, Any]:
    """Return the same with the reasons of the newest dead orders, for which a record of each has to be read."""
    return document(rt) | {"dead_by_reason": dead_reasons(rt.redis, rt.settings.targets)}


def judge_file(snapshot: Snapshot, settings: Settings) -> Iterator[Judgement]:
    """Judge the file: whether it can be used, and whether all processes run with it."""
    file = Path(settings.file).name
    if settings.file_problem:
        facts = f"it cannot be used, and the processes keep their current settings: {settings.file_problem}"
        yield Judgement("file_broken", file, facts, "intake check --offline", "notice")
        return
    wanted = settings.file_fingerprint or settings.fingerprint
    older = [
        process.partition(" ")[2] or process
        for process, known in sorted(snapshot.files.items())
        if known != wanted and snapshot.now - snapshot.signs.get(process, 0) < min(_ALIVE, _since_reload(settings))
    ]
    if older:
        facts = f"it has changed, but these processes still run with another version: {', '.join(older)}"
        yield Judgement("file_changed", file, facts, "intake reload", "notice")


def _since_reload(settings: Settings) -> float:
    """Return for how many seconds the processes of this host should have run with their current file."""
    try:
        return time.time() - copy_of(settings.data_dir).stat().st_mtime - _REPLACED
    except OSError:  # none of them runs here
        return _ALIVE


def time_of(status: dict[str, Any]) -> datetime:
    """Return when the snapshot was taken."""
    return datetime.fromtimestamp(status["at"], UTC)


def _age(now: float, at: float | None) -> float | None:
    return None if at is None else max(0.0, round(now - at, 1))


def _left(now: float, until: float | None) -> int | None:
    return None if until is None else round(until - now)


def _provider(snapshot: Snapshot, settings: Settings, name: str, backfill: Mapping[str, str]) -> dict[str, Any]:
    provider, account, now = snapshot.providers[name], settings.providers[name], snapshot.now
    read_up_to = cursor_time(provider.cursor)
    cursor_age = None if read_up_to is None else round(now - read_up_to.timestamp())
    return {
        "kind": account.kind,
        "limit": account.limit_scope,
        "poll_every_s": account.poll_every,
        "last_success_s": _age(now, provider.success),
        "cursor_moved_s": _age(now, provider.moved),
        "cursor_at_s": cursor_age,
        # A walk that came to its end saw everything until then, however old the last order is.
        "lag_s": cursor_age if provider.finished is None else _age(now, provider.finished),
        "walking": provider.finished is None and provider.moved is not None,
        "started_s": _age(now, provider.started),
        "records": provider.records,
        "malformed": provider.malformed,
        "hints": provider.hints,
        "left_out": [
            {"target": rule.partition(" ")[0], "rule": rule.partition(" ")[2], "orders": count}
            for rule, count in sorted(provider.left_out.items())
        ],
        "unknown_statuses": dict(provider.unknown),
        "paused": provider.paused,
        "paused_for_s": _left(now, provider.paused_until),
        "maintenance_s": round(account.maintenance.left(datetime.fromtimestamp(now, UTC))),
        "backfill": describe_backfill(backfill, {to: snapshot.lanes[to].bulk for to in settings.targets_of(name)}),
        "error": provider.error or None,
        "failures": provider.failures,
        "retry_in_s": _left(now, provider.retry_at),
    }


def _lane(snapshot: Snapshot, settings: Settings, name: str) -> dict[str, Any]:
    lane, account, now = snapshot.lanes[name], settings.targets[name], snapshot.now
    return {
        **lane.fields,
        **({} if lane.paused is None else {"paused": lane.paused}),
        "oldest_s": round(lane.oldest, 1),
        "queued": lane.queued,
        "due": lane.due,
        "retry_later": lane.retrying,
        "backfilled": lane.bulk,
        "in_flight": lane.in_flight,
        "drains": lane.drains,
        "dead_now": lane.dead,
        "in_doubt_now": lane.in_doubt,
        "held_now": lane.held,
        "quarantine_s": math.ceil(snapshot.silence(name)),
        "limit": account.limit_scope,
        "closed_s": round(lane.closed, 1),
        "paused_for_s": _left(now, lane.paused_until),
        "maintenance_s": round(account.maintenance.left(datetime.fromtimestamp(now, UTC))),
    }


def _server(server: Server) -> dict[str, Any]:
    return {name: getattr(server, name) for name in ("name", "used", "limit", "policy", "appends", "last_write_ok")}
