"""What needs a person, the worst first, each with what to type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from worker.cli.times import age, ago
from worker.reconcile.report import FAULTS
from worker.store.health.signs import BEAT, SWEPT

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Seconds that an order may be due before somebody should look why nobody sends it.
LATE: Final = 60
#: Part of Redis' memory from which on it is told.
_FULL: Final = 0.7


class Need(NamedTuple):
    """Something for a person: the alarm that says it once it is bad enough, whose it is, what is said, what to type."""

    alarm: str
    subject: str
    said: str
    remedy: str


def needs(found: dict[str, Any]) -> list[Need]:
    """All of it. Alarms that are raised go in front of everything else, and nothing is said twice."""
    raised = [Need(it["name"], it["subject"], f"{it['subject']}: {it['what']}", it["remedy"]) for it in found["alarms"]]
    said = {(it.alarm, it.subject) for it in raised}
    return raised + [need for need in _all(found) if (need.alarm, need.subject) not in said]


def _all(found: dict[str, Any]) -> Iterator[Need]:
    yield from _redis(found["redis"])
    yield from _processes(found)
    for name, it in found["providers"].items():
        yield from _provider(name, it)
    for name, it in found["lanes"].items():
        yield from _lane(name, it)
    yield from _inbox(found["inbox"])
    yield from _reconciled(found["reconciled"])


def _redis(it: dict[str, Any]) -> Iterator[Need]:
    if it["policy"] != "noeviction":
        said = f"Redis throws orders away when it is full (maxmemory-policy {it['policy']})"
        yield Need("redis_evicts", "redis", said, "intake check")
    if not it["last_write_ok"]:
        yield Need("redis_not_saving", "redis", "Redis could not write to its disk", "intake check")
    if it["limit"] and it["used"] > _FULL * it["limit"]:
        said = f"Redis uses {it['used'] / it['limit']:.0%} of its memory: a full one takes no order"
        yield Need("redis_full", "redis", said, "intake check")


def _processes(found: dict[str, Any]) -> Iterator[Need]:
    signs, patience = found["signs"], 15 + 5 * found["sweep_every_s"]
    swept = signs.get(SWEPT)
    if swept is None:
        if any(it["started_s"] is not None for it in found["providers"].values()) or signs:
            yield Need("beat_silent", "beat", "no sweep was seen for a day: is upkeep running?", "intake up")
    elif swept > patience:
        who = "upkeep" if signs.get(BEAT, patience) < patience else "beat"
        yield Need(f"{who}_silent", who, f"no sweep for {age(swept)}: {who} does not run", "intake up")


def _provider(name: str, it: dict[str, Any]) -> Iterator[Need]:
    if it["paused"]:
        yield Need("provider_paused", name, f"provider {name} is paused: {it['paused']}", f"intake resume {name}")
    elif it["error"]:
        again = f", again {ago(-it['retry_in_s'])}" if (it["retry_in_s"] or 0) > 0 else ""
        said = f"provider {name}: {it['error']} ({it['failures']} in a row{again})"
        yield Need("provider_late", name, said, "intake check")
    elif it["last_success_s"] is not None and it["last_success_s"] > 3 * it["poll_every_s"] + LATE:
        said = (
            f"provider {name} was last read {ago(it['last_success_s'])}, and should be every {age(it['poll_every_s'])}"
        )
        yield Need("provider_late", name, said, f"intake poll {name}")
    if it["malformed"]:
        said = f"provider {name}: {it['malformed']} records could not be read"
        yield Need("records_unreadable", name, said, f"intake dead list --provider {name}")


def _lane(name: str, it: dict[str, Any]) -> Iterator[Need]:
    if it.get("paused"):
        yield Need("lane_paused", name, f"lane {name} is paused: {it['paused']}", f"intake resume {name}")
    elif it["oldest_s"] > LATE and not it["drains"] and not it["closed_s"] and not it["young_s"]:
        said = f"lane {name}: orders are due for {age(it['oldest_s'])}, and nobody sends them"
        yield Need("lane_old", name, said, "intake up")
    for field, alarm, state, remedy in _WAITING:
        if it[field]:
            yield Need(alarm, name, f"lane {name}: {it[field]} orders are {state}", remedy.format(name))


#: Orders of a lane that wait for a person: how many, the alarm, what they are, what to type.
_WAITING: Final = (
    ("in_doubt_now", "orders_in_doubt", "in doubt", "intake doubt list --target {}"),
    ("dead_now", "orders_died", "dead", "intake dead list --target {}"),
    ("held_now", "orders_held", "held", "intake release {} --dry-run"),
)


def _inbox(inbox: dict[str, int]) -> Iterator[Need]:
    if inbox["waiting"] and not inbox["takers"]:
        said = f"inbox: {inbox['waiting']} jobs wait, and nobody takes them"
        yield Need("inbox_unheard", "inbox", said, "intake listen")
    if inbox["dead_now"]:
        said = f"inbox: {inbox['dead_now']} jobs could not be taken in"
        yield Need("jobs_refused", "inbox", said, "intake inbox list")


def _reconciled(reconciled: dict[str, Any]) -> Iterator[Need]:
    for pair, it in reconciled.items():
        counts = ", ".join(f"{it['counts'][fault]} {fault}" for fault in FAULTS if it["counts"].get(fault))
        if it["error"] or counts:
            said = f"{pair}, compared {ago(it['age_s'])}: {it['error'] or counts}"
            remedy = f"intake reconcile {pair.replace(' > ', ' ')} --since 7d"
            yield Need("reconcile_found", pair, said, remedy)
