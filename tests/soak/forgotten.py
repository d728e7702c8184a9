"""The limit of a ledger that was lost: it cannot know that an order changed before it was read again.

An order that a target has, and that Redis forgot, is found again, and counts as sent with the content that its source
has at that moment (deploy/docs/losing-redis.md). A change that was made before does not arrive, and a later one may
undo the edit of a person.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from soak.settings import SOURCES

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from soak.ground import Ground

#: The faults that are no fault of an order that Redis forgot.
LIMITS: Final = frozenset({"outdated", "overwritten"})
#: Seconds by which the times of the journal and of the ledger may differ.
_SLACK: Final = 1.0


def created_at(home: Path, references: Collection[str]) -> dict[str, float]:
    """Return when the target created each of these orders first, in Unix seconds: the journal says so."""
    created: dict[str, float] = {}
    with (home / "journal.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            if '"did":"created"' in line and (entry := json.loads(line))["reference"] in references:
                created.setdefault(entry["reference"], entry["wall"])
    return created


def was_forgotten(created: float, history: Sequence[tuple[int, str]], *, changed: bool) -> bool:
    """Return whether the ledger found the order, and knows of no claim during which it can have been created.

    If the source `changed` it after it was read again, the ledger knows that, and the target has to get it.
    """
    if not history or not history[0][1].startswith("accepted"):
        return False
    if not any(event.endswith(" existed") for _, event in history):
        return False
    for (at, event), (end, _) in pairwise(history):
        if event.startswith("claimed") and at / 1000 - _SLACK <= created <= end / 1000 + _SLACK:
            return False
    return changed or not any(event.startswith("changed") for _, event in history)


def forgotten(ground: Ground, fault: str, references: Collection[str]) -> set[str]:
    """Return which of these orders have this fault only because Redis forgot them."""
    created, found = created_at(ground.home, references), set[str]()
    for reference in created:
        target = SOURCES[reference.partition(":")[0]]
        for entry in ground.runtime.ledger.entries([target], reference):
            if was_forgotten(created[reference], entry.history, changed=fault == "overwritten"):
                found.add(reference)
    return found
