"""What happens next with an order in each of its targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from worker.durations import count_of, format_duration
from worker.operations.times import age, from_now
from worker.store.orders.lanes import ASK_EVERY
from worker.watch.snapshot import take_snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.runtime import Runtime
    from worker.store.health.state import Snapshot
    from worker.store.orders.ledger import Entry

#: What happens next in the states in which that depends on nothing else.
_NEXT: Final = {
    "claimed": "a worker is sending it; if the worker dies, another takes over within 15 s",
    "delivered": "nothing: it is delivered",
    "discarded": "nothing, until it changes at the source",
    "withdrawn": "nothing, until it is live again at the source: it was never sent",
}
#: The states in which nothing happens any more, and what to do in the others if the target is gone.
_ENDED: Final = frozenset({"delivered", "discarded", "withdrawn"})
_ABSENT: Final = (
    "{target} is no longer in the settings: put it back",
    "intake rename {target} NEW, or: intake forget {target}",
    ", or: ",
)
#: What to do, and what to type, in the states that a person ends.
_BY_HAND: Final = {
    "held": ("waits for you", "intake release {target} {key}"),
    "in_doubt": (
        "{target} is searched every {every}; or search it yourself for {reference}",
        "intake doubt resolve {key} --target {target} --delivered (or --send-again)",
        ", then: ",
    ),
    "dead": (
        "nothing, until it changes at the source or you decide",
        "intake dead replay {key} --target {target} (or: discard)",
    ),
}


class NextStep(NamedTuple):
    """What happens next with an order in one target, and what to type if it waits for a person ("" if it does not)."""

    text: str
    command: str = ""
    #: What stands between both.
    link: str = ": "

    def __str__(self) -> str:
        return f"{self.text}{self.link}{self.command}" if self.command else self.text


def next_steps(rt: Runtime, key: str, entries: Sequence[Entry]) -> list[NextStep]:
    """Return for each target what happens next with this order, and when."""
    queued = [entry.target for entry in entries if entry.record["state"] == "queued" and entry.target in rt.lanes]
    snapshot = take_snapshot(rt) if queued else None
    return [_next_step(rt, key, entry, snapshot) for entry in entries]


def _next_step(rt: Runtime, key: str, entry: Entry, snapshot: Snapshot | None) -> NextStep:
    state, record = entry.record["state"], entry.record
    if entry.target not in rt.lanes and state not in _ENDED:
        return NextStep(*(part.format(target=entry.target) for part in _ABSENT))
    if state in _BY_HAND:
        words = {"key": key, "target": entry.target, "reference": record.get("reference", "")}
        every = format_duration(ASK_EVERY / 1000)
        return NextStep(*(part.format(**words, every=every) for part in _BY_HAND[state]))
    if state != "queued" or snapshot is None:
        return NextStep(_NEXT.get(state, "?"))
    if (lane := snapshot.lanes[entry.target]).paused is not None:
        return NextStep(f"{entry.target} is paused ({lane.paused})", f"intake resume {entry.target}")
    return NextStep(_when(rt, entry, snapshot))


def _when(rt: Runtime, entry: Entry, snapshot: Snapshot) -> str:
    """Return when an order that is queued is sent."""
    record, lane, now = entry.record, snapshot.lanes[entry.target], int(snapshot.now * 1000)
    tries, most = int(record.get("tries", 0)), rt.settings.targets[entry.target].max_tries
    action = "sent" if not tries else "tried again"
    attempt = f", try {tries + 1} of {most}" if tries else ""
    quarantined = now + int(snapshot.silence(entry.target) * 1000)
    limit = snapshot.limits[rt.settings.targets[entry.target].limit_scope]
    closed = max(quarantined, now + int(max(lane.closed, limit.closed) * 1000))
    if closed > max(now, entry.due or 0):
        reason = f"{entry.target} is down, or its rate limit is used up"
        if closed == quarantined:
            reason = "the ledger is new, and earlier calls must end first"
        return f"{action} {from_now(closed, now)}{attempt}: {reason}"
    if entry.due is not None and entry.due > now:
        return f"{action} {from_now(entry.due, now)}{attempt}"
    queue = f", after {count_of(entry.before, 'order')}" if entry.before else ""
    late = "" if lane.drains else " No worker is sending now: intake status"
    return f"{action} now{attempt}{queue}, due for {age((now - (entry.due or now)) / 1000)}.{late}"
