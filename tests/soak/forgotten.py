"""The limit of a ledger that was lost: it cannot know that an order changed before it was read again.

An order that a target has, and that Redis forgot, is found again, and counts as sent with the content that its source
has at that moment (deploy/docs/losing-redis.md). A change of before that does not arrive, and a later one may undo
the edit of a person. A comparison finds both.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from soak.settings import SOURCES
from worker.errors import IntakeError
from worker.reconcile.one import compare_one

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from soak.ground import Ground

#: The faults that are no fault of an order that Redis forgot.
LIMITS: Final = frozenset({"outdated", "overwritten"})
#: What the history of an order says if the ledger itself may have sent it before it was found.
_SENT_BEFORE: Final = ("retry", "taken", "pending", "updated", "cancelled")
#: Attempts to compare an order: the systems fail some calls.
_TRIES: Final = 10


def created_at(home: Path, references: Collection[str]) -> dict[str, float]:
    """Return when the target created each of these orders first, in Unix seconds: the journal says so."""
    created: dict[str, float] = {}
    with (home / "journal.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            if '"did":"created"' in line and (entry := json.loads(line))["reference"] in references:
                created.setdefault(entry["reference"], entry["wall"])
    return created


def was_forgotten(created: float, history: Iterable[tuple[int, str]], *, changed: bool) -> bool:
    """Return whether the ledger knows an order only since after its creation, and found it without having sent it.

    If the source `changed` it after it was read again, the ledger knows that, and the target has to get it.
    """
    events = list(history)
    found = next((n for n, (_, event) in enumerate(events) if event.endswith(" existed")), None)
    if found is None or not events[0][1].startswith("accepted") or events[0][0] / 1000 < created:
        return False
    if any(event.startswith(_SENT_BEFORE) for _, event in events[:found]):
        return False
    return changed or not any(event.startswith("changed") for _, event in events)


def forgotten(ground: Ground, fault: str, references: Collection[str]) -> set[str]:
    """Return which of these orders have this fault only because Redis forgot them."""
    created, found = created_at(ground.home, references), set[str]()
    for reference in references:
        target = SOURCES[reference.partition(":")[0]]
        for entry in ground.runtime.ledger.entries([target], reference):
            if reference in created and was_forgotten(
                created[reference], entry.history, changed=fault == "overwritten"
            ):
                found.add(reference)
    return found


def differs(ground: Ground, reference: str) -> bool:
    """Return whether a comparison shows that the target does not have what the source has."""
    source, _, external_id = reference.partition(":")
    [entry] = ground.runtime.ledger.entries([SOURCES[source]], reference)
    for _ in range(_TRIES):
        try:
            found = compare_one(ground.runtime, source, SOURCES[source], external_id, entry.record.get("target_id", ""))
        except IntakeError:
            continue
        return bool(found.values)
    return False
