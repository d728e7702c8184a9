"""What needs a person, the worst first, each with what to type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from worker.cli.ages import age, ago
from worker.reconcile.report import FAULTS

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What is said, and the command that helps.
Need = tuple[str, str]

#: Seconds that an order may be due before somebody should look why nobody sends it.
LATE: Final = 60
#: Part of Redis' memory from which on it is told.
_FULL: Final = 0.7


def needs(found: dict[str, Any]) -> list[Need]:
    """All of it. Alarms that were raised go in front of everything else."""
    return [
        *_alarms(found),
        *_redis(found["redis"]),
        *_processes(found),
        *(need for name, it in found["providers"].items() for need in _provider(name, it)),
        *(need for name, it in found["lanes"].items() for need in _lane(name, it)),
        *_inbox(found["inbox"]),
        *_reconciled(found["reconciled"]),
    ]


def _alarms(found: dict[str, Any]) -> Iterator[Need]:
    """Alarms that are up: `found["alarms"]`, each with `text` and `remedy`."""
    yield from ((alarm["text"], alarm["remedy"]) for alarm in found.get("alarms", ()))


def _redis(it: dict[str, Any]) -> Iterator[Need]:
    if it["policy"] != "noeviction":
        yield f"Redis throws orders away when it is full (maxmemory-policy {it['policy']})", "intake check"
    if not it["last_write_ok"]:
        yield "Redis could not write to its disk", "intake check"
    if it["limit"] and it["used"] > _FULL * it["limit"]:
        yield f"Redis uses {it['used'] / it['limit']:.0%} of its memory: a full one takes no order", "intake check"


def _processes(found: dict[str, Any]) -> Iterator[Need]:
    pulse, patience = found["pulse"], 15 + 5 * found["sweep_every_s"]
    swept = pulse.get("did sweep")
    if swept is None:
        if any(it["started_s"] is not None for it in found["providers"].values()) or pulse:
            yield "no sweep was seen for a day: is upkeep running?", "intake up"
    elif swept > patience:
        who = "upkeep" if pulse.get("beat", patience) < patience else "beat"
        yield f"no sweep for {age(swept)}: {who} does not run", "intake up"


def _provider(name: str, it: dict[str, Any]) -> Iterator[Need]:
    if it["paused"]:
        yield f"provider {name} is paused: {it['paused']}", f"intake resume {name}"
    elif it["error"]:
        again = f", again {ago(-it['retry_in_s'])}" if (it["retry_in_s"] or 0) > 0 else ""
        yield f"provider {name}: {it['error']} ({it['failures']} in a row{again})", "intake check"
    elif it["last_success_s"] is not None and it["last_success_s"] > 3 * it["poll_every_s"] + LATE:
        yield (
            f"provider {name} was last read {ago(it['last_success_s'])}, and should be every {age(it['poll_every_s'])}",
            f"intake poll {name}",
        )
    if it["malformed"]:
        yield f"provider {name}: {it['malformed']} records could not be read", f"intake dead list --provider {name}"


def _lane(name: str, it: dict[str, Any]) -> Iterator[Need]:
    if it.get("paused"):
        yield f"lane {name} is paused: {it['paused']}", f"intake resume {name}"
    elif it["oldest_s"] > LATE and not it["drains"] and not it["closed_s"]:
        yield f"lane {name}: orders are due for {age(it['oldest_s'])}, and nobody sends them", "intake up"
    if it["in_doubt_now"]:
        yield f"lane {name}: {it['in_doubt_now']} orders are in doubt", f"intake doubt list --target {name}"
    if it["dead_now"]:
        yield f"lane {name}: {it['dead_now']} orders are dead", f"intake dead list --target {name}"
    if it["held_now"]:
        yield f"lane {name}: {it['held_now']} orders are held", f"intake release {name} --dry-run"


def _inbox(inbox: dict[str, int]) -> Iterator[Need]:
    if inbox["waiting"] and not inbox["takers"]:
        yield f"inbox: {inbox['waiting']} jobs wait, and nobody takes them", "intake listen"
    if inbox["dead_now"]:
        yield f"inbox: {inbox['dead_now']} jobs could not be taken in", "intake inbox list"


def _reconciled(reconciled: dict[str, Any]) -> Iterator[Need]:
    for pair, it in reconciled.items():
        counts = ", ".join(f"{it['counts'][fault]} {fault}" for fault in FAULTS if it["counts"].get(fault))
        if it["error"] or counts:
            name = pair.replace(" > ", " ")
            yield f"{pair}, compared {ago(it['age_s'])}: {it['error'] or counts}", f"intake reconcile {name} --since 7d"
