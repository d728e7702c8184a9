"""What a person decides about one order in one target: who is faster decides, and the other one learns why not."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from tasks.release import release

if TYPE_CHECKING:
    from worker.runtime import Runtime
    from worker.store.orders.ledger import Entry
    from worker.store.orders.stuck import Move

Name = Literal["resend", "discard", "release", "drop", "delivered", "send", "bury", "ask"]


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision: the state of the order in which it is possible, and the move of the ledger that carries it out."""

    name: Name
    #: The command that does the same, under whose name the audit log records it.
    command: str
    state: Literal["dead", "held", "in_doubt"]
    #: The move of an order that is dead or in doubt; None for what is done otherwise.
    move: Move | None = None


_ALL: Final = (
    Decision("resend", "dead replay", "dead", "replay"),
    Decision("discard", "dead discard", "dead", "discard"),
    Decision("release", "release", "held"),
    Decision("drop", "release", "held"),
    Decision("ask", "doubt ask", "in_doubt", "search"),
    Decision("delivered", "doubt resolve", "in_doubt", "delivered"),
    Decision("send", "doubt resolve", "in_doubt", "send"),
    Decision("bury", "doubt resolve", "in_doubt", "bury"),
)
#: The decisions by name, in the order in which they are offered.
DECISIONS: Final[dict[str, Decision]] = {decision.name: decision for decision in _ALL}


def possible(entry: Entry) -> list[Decision]:
    """Return the decisions that are possible for an order in its state."""
    return [decision for decision in _ALL if decision.state == entry.record["state"]]


def seen(entry: Entry) -> str:
    """Return what identifies the state of an order in a target: any event changes it."""
    text = f"{entry.record['state']} {entry.record.get('fingerprint', '')} {entry.history[-1:]}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def decide(  # noqa: PLR0913  # an order, a decision, and what the history says of it
    rt: Runtime, target: str, key: str, decision: Decision, *, source: str, target_id: str = ""
) -> str:
    """Carry out a decision; return what came of it: "done", or the state of the order if somebody else was faster.

    "ask" needs no credentials here: a worker searches the target, and the history shows its answer.

    Args:
        rt: The runtime.
        target: The target.
        key: The key of the order.
        decision: The decision.
        source: Who decides, for the history: "by ann".
        target_id: The target's own id of an order that a person found there.
    """
    if decision.move is not None:
        result = rt.stuck[target].move(decision.move, [key], source=source, target_id=target_id)[key]
        return "done" if result == "moved" else result or "unknown"
    moved = release(rt, target, [key], "send" if decision.name == "release" else "drop")
    return "done" if moved else rt.ledger.standing(target, key).state
