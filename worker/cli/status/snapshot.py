"""What `intake status` knows: everything at this moment, as plain data, in few round trips."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from worker.cli.feeds.backfill import progress
from worker.cli.feeds.cursor_words import cursor_time
from worker.cli.status.alarms import alarms
from worker.settings.reconcile import pairs_of
from worker.store.redis.server import read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.runtime import Runtime

#: Dead orders of each target whose reasons are looked at.
_LOOKED_AT: Final = 200


def snapshot(rt: Runtime) -> dict[str, Any]:
    """Everything the screen shows: times in seconds, ages counted on Redis' clock."""
    now = rt.cursors.now()
    limits = {name: scope.status() for name, scope in sorted(rt.scopes.items())}
    reports = {f"{provider} > {target}": rt.reports.last(provider, target) for provider, target in _pairs(rt)}
    server = read(rt.redis.info())
    return {
        "at": now // 1000,
        "file": rt.settings.file,
        "providers": {name: _provider(rt, name, now) for name in rt.settings.providers},
        "inbox": rt.inbox.status(),
        "lanes": {name: _lane(rt, name, now) for name in rt.settings.targets},
        "limits": limits,
        "limits_closed_s": {name: it["closed_s"] for name, it in limits.items()},
        "dead_by_reason": _reasons(rt),
        "reconciled": {pair: {**it, "age_s": round(now / 1000 - it["at"])} for pair, it in reports.items() if it},
        "signs": rt.signs.ages(),
        "alarms": alarms(rt),
        "sweep_every_s": rt.settings.clocks.sweep,
        "redis": {
            "name": server.name,
            "used": server.used,
            "limit": server.limit,
            "policy": server.policy,
            "appends": server.appends,
            "last_write_ok": server.last_write_ok,
        },
    }


def _provider(rt: Runtime, name: str, now: int) -> dict[str, Any]:
    known, account = rt.cursors.status(name), rt.settings.providers[name]
    until = cursor_time(known.get("value"))

    def age(field: str) -> float | None:
        return round((now - int(known[field])) / 1000, 1) if field in known else None

    read_s, at_s = age("finished"), None if until is None else round(now / 1000 - until.timestamp())
    return {
        "kind": account.kind,
        "limit": account.limit_scope,
        "poll_every_s": account.poll_every,
        "last_success_s": read_s if read_s is not None else age("moved"),
        "cursor_moved_s": age("moved"),
        "cursor_at_s": at_s,
        # A walk that came to its end saw everything until then, however old the last order is.
        "lag_s": read_s if read_s is not None else at_s,
        "walking": "finished" not in known and "moved" in known,
        "started_s": age("started"),
        "records": int(known.get("records", 0)),
        "malformed": int(known["malformed"]),
        "hints": rt.fetches.count_waiting(name),
        "paused": known.get("paused"),
        "paused_for_s": _left(known, now),
        "maintenance_s": round(rt.provider_maintenance_left(name)),
        "backfill": progress(rt, name),
        "error": known.get("error"),
        "failures": int(known.get("failures", 0)),
        "retry_in_s": round((int(known["retry_at"]) - now) / 1000) if "retry_at" in known else None,
    }


def _lane(rt: Runtime, name: str, now: int) -> dict[str, Any]:
    status = rt.lanes[name].status()
    closed = max(0.0, (int(status.get("closed_until", 0)) - now) / 1000)
    return {
        **status,
        "limit": rt.settings.targets[name].limit_scope,
        "closed_s": round(closed, 1),
        "paused_for_s": _left(status, now),
        "maintenance_s": round(rt.target_maintenance_left(name)),
    }


def _left(known: Mapping[str, Any], now: int) -> int | None:
    """Seconds until a pause ends by itself."""
    return round((int(known["paused_until"]) - now) / 1000) if "paused_until" in known else None


def _reasons(rt: Runtime) -> list[dict[str, Any]]:
    """Why orders are dead, by the newest of each target; numbers in a reason make no reason of its own."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for name, stuck in rt.stuck.items():
        for order in stuck.newest("dead", _LOOKED_AT):
            said = re.sub(r"\d+", "N", order.record.get("detail", ""))
            counts[name, order.record.get("code", ""), said] += 1
    return [
        {"count": count, "target": target, "code": code, "reason": reason}
        for (target, code, reason), count in counts.most_common()
    ]


def _pairs(rt: Runtime) -> tuple[tuple[str, str], ...]:
    return pairs_of(rt.settings.routes, rt.settings.providers)


def at(found: dict[str, Any]) -> datetime:
    """When the snapshot was taken."""
    return datetime.fromtimestamp(found["at"], UTC)
