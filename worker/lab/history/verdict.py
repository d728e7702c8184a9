"""What became of the orders of one target: of each order by its events, of all of them by count."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

#: Of a source, what no target can have from it: Dropday has no word for a discount, so its lines do not add up.
_UNHELD: Final = {"dropday": frozenset({"total"})}
#: A change takes many calls there, and an order is none of its versions in between.
_STEPWISE: Final = frozenset({"ordercloud"})


@dataclass(slots=True)
class Named:
    """How many orders, and the first of them by reference."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, key: str, keep: int) -> None:
        """Count one more."""
        self.count += 1
        if len(self.first) < keep:
            self.first.append(key)


#: What breaks a promise, and what it means.
FAULTS: Final = {
    "lost": "in the source, never created in the target",
    "doubled": "created more than once",
    "wrong": "its content is no version of the source's",
    "stale": "an older version was written after a newer one",
    "unknown": "created, but in no source",
}


@dataclass(slots=True)
class Verdict:
    """Of one target; `behind`: what it holds is right, but not the source's newest version."""

    orders: int = 0
    created: int = 0
    lost: Named = field(default_factory=Named)
    doubled: Named = field(default_factory=Named)
    wrong: Named = field(default_factory=Named)
    stale: Named = field(default_factory=Named)
    unknown: Named = field(default_factory=Named)
    behind: Named = field(default_factory=Named)

    @property
    def clean(self) -> bool:
        """Whether each order is there once, with its content, and nothing else is."""
        return not any(getattr(self, fault).count for fault in FAULTS)


class Story:
    """One order in one target, event by event."""

    def __init__(self, target: str) -> None:
        self._stepwise = target in _STEPWISE
        #: What the source said, in time: whose digests, the digests, what cannot be compared.
        self._versions: list[tuple[str, dict[str, str], frozenset[str]]] = []
        self._wanted = False
        self._created = 0
        #: The version that the target held at least, by what was written there.
        self._floor = -1
        self._wrong = self._stale = False
        self._last: tuple[str, dict[str, str]] = "", {}
        #: Of the last write: whether it stays wrong, or stale, if nothing follows.
        self._open = {"wrong": False, "stale": False}

    def said(self, did: str, run: str, fields: dict[str, str], system: str) -> None:
        """The source has a version, or has the order no more."""
        if did == "changed" and not self._versions:
            return  # an order that came here as to a target
        self._wanted = did != "deleted"
        if self._wanted:
            self._versions.append((run, fields, _UNHELD.get(system, frozenset())))

    def written(self, did: str, run: str, fields: dict[str, str]) -> None:
        """The target has a version."""
        if did == "created":
            self._created += 1
        elif not self._created:
            return  # nobody's order of ours
        self._last = run, fields
        same = [n for n, version in enumerate(self._versions) if _same(version, run, fields)]
        self._open = {"wrong": not same, "stale": bool(same) and same[-1] < self._floor}
        if did == "created":
            self._wrong |= not same
        if not self._stepwise:
            self._stale |= self._open["stale"]
        if same and same[-1] >= self._floor:
            self._floor = next(n for n in same if n >= self._floor)

    def tell(self, key: str, verdict: Verdict, keep: int) -> None:
        """Add what became of it to the verdict."""
        verdict.orders += self._wanted
        verdict.created += bool(self._created and self._versions)
        told = {
            "lost": self._wanted and not self._created,
            "doubled": self._created > 1,
            "wrong": bool(self._versions) and (self._wrong or self._open["wrong"]),
            "stale": self._stale or self._open["stale"],
            "unknown": bool(self._created) and not self._versions,
            "behind": bool(self._wanted and self._created) and not _same(self._versions[-1], *self._last),
        }
        for name, is_so in told.items():
            if is_so:
                getattr(verdict, name).add(key, keep)


def _same(version: tuple[str, dict[str, str], frozenset[str]], run: str, fields: dict[str, str]) -> bool:
    """Whether all fields that both sides have, and that can be compared, are the same."""
    theirs, said, unheld = version
    return theirs != run or all(said[name] == fields[name] for name in said.keys() & fields.keys() - unheld)
