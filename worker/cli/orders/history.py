"""The history of one order for one target, and what happens next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.markup import escape
from rich.table import Table

from worker.cli.times import age, from_now, utc_text
from worker.durations import format_duration
from worker.store.orders.lanes import ASK_EVERY

if TYPE_CHECKING:
    from rich.console import Console

    from worker.runtime import Runtime
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


def next_step(rt: Runtime, key: str, entry: Entry) -> str:
    """Return what happens next with this order, when, and what to type if it waits for a person."""
    if entry.target not in rt.lanes and entry.record["state"] not in _ENDED:
        return _ABSENT.format(target=entry.target)
    return _next_step(rt, key, entry)


def _next_step(rt: Runtime, key: str, entry: Entry) -> str:
    state, record = entry.record["state"], entry.record
    if state in _BY_HAND:
        words = {"key": key, "target": entry.target, "reference": record.get("reference", "")}
        return _BY_HAND[state].format(**words, every=format_duration(ASK_EVERY / 1000))
    if state != "queued":
        return _NEXT.get(state, "?")
    lane, now = rt.lanes[entry.target], rt.cursors.now()
    status = lane.status()
    if paused := status.get("paused"):
        return f"{entry.target} is paused ({paused}): intake resume {entry.target}"
    tries, most = int(record.get("tries", 0)), rt.settings.targets[entry.target].max_tries
    action = "sent" if not tries else "tried again"
    attempt = f", try {tries + 1} of {most}" if tries else ""
    quarantined = now + int(status["quarantine_s"]) * 1000
    closed = max(quarantined, int(status.get("closed_until", 0)), now + int(lane.scope.closed_seconds() * 1000))
    if closed > max(now, entry.due or 0):
        reason = f"{entry.target} is down, or said to slow down"
        if closed == quarantined:
            reason = "the ledger is new, and what an older one sent has to arrive first"
        return f"{action} {from_now(closed, now)}{attempt}: {reason}"
    if entry.due is not None and entry.due > now:
        return f"{action} {from_now(entry.due, now)}{attempt}"
    before = lane.position(key)
    queue = f", after {before} orders that are due before it" if before else ""
    late = "" if status["drains"] else " Nobody is sending now: see intake status."
    return f"{action} now{attempt}{queue}, due for {age((now - (entry.due or now)) / 1000)}.{late}"


def delivery_as_json(entry: Entry) -> dict[str, Any]:
    """Return the state and the history of one order for one target as plain data."""
    return {"target": entry.target, "record": entry.record, "story": entry.history}


def print_order(rt: Runtime, console: Console, key: str, entry: Entry) -> None:
    """Print the history of one order for one target, and what happens next."""
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
    console.print(f"  next: {next_step(rt, key, entry)}", highlight=False, markup=False)
