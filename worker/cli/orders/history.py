"""The history of one order for one target, and what happens next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.markup import escape
from rich.table import Table

from worker.cli.times import age, from_now, utc_text
from worker.durations import format_duration
from worker.store.orders.lanes import ASK_EVERY
from worker.watch.snapshot import take_snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from worker.runtime import Runtime
    from worker.store.health.state import Snapshot
    from worker.store.orders.ledger import Entry

#: What happens next in the states in which that depends on nothing else.
_NEXT: Final = {
    "claimed": "a worker has it now; if that dies, it is taken over within 15 s",
    "delivered": "nothing: it is done",
    "discarded": "nothing, until it changes at the source",
    "withdrawn": "nothing, until it is live again at the source: it was never sent",
}
#: The states in which nothing happens any more, and what to do in the others if the target is gone.
_ENDED: Final = frozenset({"delivered", "discarded", "withdrawn"})
_ABSENT: Final = (
    "{target} is not in the settings any more: put it back, or: intake rename {target} NEW, or: intake forget {target}"
)
#: What to type in the states that a person ends.
_BY_HAND: Final = {
    "held": "waits for a person: intake release {target} {key}",
    "in_doubt": (
        "{target} is asked every {every}; or look there yourself for {reference}, then:"
        " intake doubt resolve {key} --target {target} --delivered (or --send-again)"
    ),
    "dead": (
        "nothing, until it changes at the source, or a person decides:"
        " intake dead replay {key} --target {target} (or: discard)"
    ),
}
#: The fields of a record that are shown, and their labels.
_LABELS: Final = {"target_id": "id there", "tries": "tries", "code": "code", "detail": "why", "fields": "fields"}


def next_steps(rt: Runtime, key: str, entries: Sequence[Entry]) -> list[str]:
    """Return for each target what happens next with this order, when, and what to type if it waits for a person."""
    queued = [entry.target for entry in entries if entry.record["state"] == "queued" and entry.target in rt.lanes]
    snapshot = take_snapshot(rt) if queued else None
    return [_next_step(rt, key, entry, snapshot) for entry in entries]


def _next_step(rt: Runtime, key: str, entry: Entry, snapshot: Snapshot | None) -> str:
    state, record = entry.record["state"], entry.record
    if entry.target not in rt.lanes and state not in _ENDED:
        return _ABSENT.format(target=entry.target)
    if state in _BY_HAND:
        words = {"key": key, "target": entry.target, "reference": record.get("reference", "")}
        return _BY_HAND[state].format(**words, every=format_duration(ASK_EVERY / 1000))
    if state != "queued" or snapshot is None:
        return _NEXT.get(state, "?")
    return _when(rt, entry, snapshot)


def _when(rt: Runtime, entry: Entry, snapshot: Snapshot) -> str:
    """Return when an order that is queued is sent."""
    record, lane, now = entry.record, snapshot.lanes[entry.target], int(snapshot.now * 1000)
    if lane.paused is not None:
        return f"{entry.target} is paused ({lane.paused}): intake resume {entry.target}"
    tries, most = int(record.get("tries", 0)), rt.settings.targets[entry.target].max_tries
    action = "sent" if not tries else "tried again"
    attempt = f", try {tries + 1} of {most}" if tries else ""
    quarantined = now + int(snapshot.silence(entry.target) * 1000)
    limit = snapshot.limits[rt.settings.targets[entry.target].limit_scope]
    closed = max(quarantined, now + int(max(lane.closed, limit.closed) * 1000))
    if closed > max(now, entry.due or 0):
        reason = f"{entry.target} is down, or said to slow down"
        if closed == quarantined:
            reason = "the ledger is new, and what an older one sent has to arrive first"
        return f"{action} {from_now(closed, now)}{attempt}: {reason}"
    if entry.due is not None and entry.due > now:
        return f"{action} {from_now(entry.due, now)}{attempt}"
    queue = f", after {entry.before} orders that are due before it" if entry.before else ""
    late = "" if lane.drains else " Nobody is sending now: see intake status."
    return f"{action} now{attempt}{queue}, due for {age((now - (entry.due or now)) / 1000)}.{late}"


def delivery_as_json(entry: Entry) -> dict[str, Any]:
    """Return the state and the history of one order for one target as plain data."""
    return {"target": entry.target, "record": entry.record, "story": entry.history}


def print_orders(rt: Runtime, console: Console, key: str, entries: Sequence[Entry]) -> None:
    """Print the history of one order for each target, and what happens next."""
    for entry, step in zip(entries, next_steps(rt, key, entries), strict=True):
        _print_order(console, key, entry, step)


def _print_order(console: Console, key: str, entry: Entry, step: str) -> None:
    record = entry.record
    state = record["state"].replace("_", " ")
    title = f"[bold]{escape(key)}[/] → [bold]{entry.target}[/]  {state}  (reference {escape(record['reference'])})"
    console.print(title, highlight=False)
    table = Table("at (UTC)", "what happened", box=None, padding=(0, 2))
    for at, event in entry.history:
        table.add_row(utc_text(at, precise=True), escape(event))
    if entry.history:
        console.print(table)
    elif "done" in record:
        delivered = utc_text(int(record["done"]), precise=True)
        console.print(f"  delivered {delivered} UTC; its story is no longer kept", highlight=False)
    for name, label in _LABELS.items():
        if record.get(name):
            console.print(f"  {label}: {record[name]}", highlight=False, markup=False)
    console.print(f"  next: {step}", highlight=False, markup=False)
