"""The journal of a simulated history, and the judgement of the history checker over it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from worker.lab.history.judge import judge
from worker.lab.history.routes import Route
from worker.lab.history.verdict import FAULTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

#: Faults that a ledger which was lost cannot avoid: a change that had not been sent is unknown.
_AFTER_A_LOSS = {"stale", "outdated", "uncancelled"}


class Journal:
    """What the simulated systems did, in the columns of the simulator's journals; `now` is in microseconds."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.now = now
        self.entries: list[dict[str, Any]] = []

    def note(self, system: str, name: str, did: str, key: str, note: str) -> None:
        """Note a write of an order: under its own id in a shop, under its key in a depot."""
        standing = {"cancelled": "cancelled", "test": "withheld"}.get(note.partition(" ")[0], "live")
        names = {"external_id": key, "reference": key}
        entry = {"kind": "effect", "system": system, "account": name, "did": did, "mono": self.now() / 1e6, "run": ""}
        self.entries.append({**entry, **names, "fields": {"note": note}, "standing": standing})


def faults(
    journal: Journal,
    rules: Mapping[tuple[str, str], Iterable[str]],
    excused: Mapping[str, set[str]],
    *,
    lost: bool,
) -> list[str]:
    """Judge a finished history; `rules` of each shop and depot, `excused` orders of each depot."""
    found = []
    for depot in dict.fromkeys(depot for _, depot in rules):
        routes = [
            Route(("shop", shop), ("depot", depot), f"{shop}:{{id}}", frozenset(words))
            for (shop, name), words in rules.items()
            if name == depot
        ]
        verdict = judge(journal.entries, routes, excused[depot], notice=math.inf).targets[f"depot/{depot}"]
        judged = [fault for fault in FAULTS if not (lost and fault in _AFTER_A_LOSS)]
        found += [f"{depot}: {fault}: {named.first}" for fault in judged if (named := getattr(verdict, fault)).count]
    return found
