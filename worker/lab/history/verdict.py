"""The verdict for the orders of a target: for each order from its events, for all of them as counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

#: Fields of a source that no target can reproduce: Dropday has no field for a discount, so its lines do not add up.
_NOT_COMPARABLE: Final = {"dropday": frozenset({"total"})}
#: Targets in which a change takes many calls, so that an order is temporarily none of its versions.
_STEPWISE: Final = frozenset({"ordercloud"})


@dataclass(slots=True)
class NamedOrders:
    """A number of orders, and the references of the first."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, key: str, keep: int) -> None:
        """Count an order, and keep its key while there are fewer than `keep`."""
        self.count += 1
        if len(self.first) < keep:
            self.first.append(key)


#: The faults that break a promise, with their meaning.
FAULTS: Final = {
    "lost": "in the source, never created in the target",
    "duplicated": "created more than once",
    "wrong": "its content is no version of the source's",
    "stale": "an older version was written after a newer one",
    "unknown": "created, but in no source",
}


@dataclass(slots=True)
class Verdict:
    """The verdict for a target; `behind` orders are correct, but not the newest version of the source."""

    orders: int = 0
    created: int = 0
    lost: NamedOrders = field(default_factory=NamedOrders)
    duplicated: NamedOrders = field(default_factory=NamedOrders)
    wrong: NamedOrders = field(default_factory=NamedOrders)
    stale: NamedOrders = field(default_factory=NamedOrders)
    unknown: NamedOrders = field(default_factory=NamedOrders)
    behind: NamedOrders = field(default_factory=NamedOrders)

    @property
    def clean(self) -> bool:
        """Whether each order exists once, with its content, and no other order exists."""
        return not any(getattr(self, fault).count for fault in FAULTS)


class OrderHistory:
    """The events of one order in one target."""

    def __init__(self, target: str) -> None:
        self._stepwise = target in _STEPWISE
        #: The versions of the source in order: the run of the digests, the digests, the fields that do not compare.
        self._versions: list[tuple[str, dict[str, str], frozenset[str]]] = []
        self._expected = False
        self._created = 0
        #: The lowest number of the version that the target has, by its writes.
        self._floor = -1
        self._wrong = self._stale = False
        self._last: tuple[str, dict[str, str]] = "", {}
        #: Whether the last write is wrong or stale, unless another one follows.
        self._open = {"wrong": False, "stale": False}

    def note_source(self, did: str, run: str, fields: dict[str, str], system: str) -> None:
        """Add a version of the source, or its deletion."""
        if did == "changed" and not self._versions:
            return  # this account is the target of the order
        self._expected = did != "deleted"
        if self._expected:
            self._versions.append((run, fields, _NOT_COMPARABLE.get(system, frozenset())))

    def note_target(self, did: str, run: str, fields: dict[str, str]) -> None:
        """Add a write in the target."""
        if did == "created":
            self._created += 1
        elif not self._created:
            return  # not one of our orders
        self._last = run, fields
        same = [n for n, version in enumerate(self._versions) if _same(version, run, fields)]
        self._open = {"wrong": not same, "stale": bool(same) and same[-1] < self._floor}
        if did == "created":
            self._wrong |= not same
        if not self._stepwise:
            self._stale |= self._open["stale"]
        if same and same[-1] >= self._floor:
            self._floor = next(n for n in same if n >= self._floor)

    def add_to(self, key: str, verdict: Verdict, keep: int) -> None:
        """Add the result of this order to the verdict."""
        verdict.orders += self._expected
        verdict.created += bool(self._created and self._versions)
        faults = {
            "lost": self._expected and not self._created,
            "duplicated": self._created > 1,
            "wrong": bool(self._versions) and (self._wrong or self._open["wrong"]),
            "stale": self._stale or self._open["stale"],
            "unknown": bool(self._created) and not self._versions,
            "behind": bool(self._expected and self._created) and not _same(self._versions[-1], *self._last),
        }
        for name, present in faults.items():
            if present:
                getattr(verdict, name).add(key, keep)


def _same(version: tuple[str, dict[str, str], frozenset[str]], run: str, fields: dict[str, str]) -> bool:
    """Return whether all comparable fields that both sides have are equal; digests of different runs do not compare."""
    version_run, digests, excluded = version
    return version_run != run or all(
        digests[name] == fields[name] for name in digests.keys() & fields.keys() - excluded
    )
