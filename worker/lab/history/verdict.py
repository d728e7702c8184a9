"""The verdict for the orders of a target: for each order from its events, for all of them as counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

#: Fields of a source that no target can reproduce: Dropday has no field for a discount, so its lines do not add up.
_NOT_COMPARABLE: Final = {"dropday": frozenset({"total"})}
#: Targets in which a change takes many calls, so that an order is temporarily none of its versions.
_STEPWISE: Final = frozenset({"ordercloud"})
#: Sources that report a deletion: for their targets it is a cancellation. In others, a deleted order is just gone.
_REPORTS_DELETIONS: Final = frozenset({"retailcrm"})


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
    "wrong": "its content is not a version that the source had",
    "stale": "an older version was written after a newer one",
    "outdated": "the newest version of the source did not arrive",
    "unwanted": "created, although it was cancelled or withheld at its source by then",
    "uncancelled": "cancelled at its source, and not in the target",
    "overwritten": "a person's edit in the target was undone, although the source did not change that field",
    "unknown": "created, but in no source",
}


@dataclass(slots=True)
class Verdict:
    """The verdict for a target; `behind` orders are correct, and of a version that its route need not update."""

    orders: int = 0
    created: int = 0
    #: Orders that are cancelled at the source and in the target.
    cancelled: int = 0
    lost: NamedOrders = field(default_factory=NamedOrders)
    duplicated: NamedOrders = field(default_factory=NamedOrders)
    wrong: NamedOrders = field(default_factory=NamedOrders)
    stale: NamedOrders = field(default_factory=NamedOrders)
    outdated: NamedOrders = field(default_factory=NamedOrders)
    unwanted: NamedOrders = field(default_factory=NamedOrders)
    uncancelled: NamedOrders = field(default_factory=NamedOrders)
    overwritten: NamedOrders = field(default_factory=NamedOrders)
    unknown: NamedOrders = field(default_factory=NamedOrders)
    behind: NamedOrders = field(default_factory=NamedOrders)

    @property
    def clean(self) -> bool:
        """Whether each order exists once, with its content, and no other order exists."""
        return not any(getattr(self, fault).count for fault in FAULTS)


@dataclass(frozen=True, slots=True)
class Version:
    """An order at one moment, on one side."""

    #: When, on the monotonic clock of the simulator, and the run whose digests can be compared.
    at: float
    run: str
    fields: dict[str, str]
    standing: str
    #: The fields that no target can reproduce.
    excluded: frozenset[str] = frozenset()

    def differs(self, other: Version, but: frozenset[str] | set[str] = frozenset()) -> list[str]:
        """Return the comparable fields that both have with different values; of different runs, none."""
        if self.run != other.run:
            return []
        names = self.fields.keys() & other.fields.keys() - self.excluded - but
        return sorted(name for name in names if self.fields[name] != other.fields[name])


class OrderHistory:
    """The events of one order in one target, in the order in which they took place."""

    def __init__(self, target: str, notice: float = 0.0) -> None:
        self._stepwise, self._notice = target in _STEPWISE, notice
        #: What its routes promise: that of the source which has the order.
        self._rules: frozenset[str] = frozenset()
        self._versions: list[Version] = []
        self._expected = False
        self._created = 0
        #: The lowest number of the version that the target has, by its writes.
        self._floor = -1
        self._wrong: list[str] = []
        self._stale = self._unwanted = self._overwritten = False
        self._last: Version | None = None
        #: What is wrong with the last write, unless another one follows.
        self._open_wrong: list[str] = []
        self._open_stale = False
        #: The fields that a person set in the target: the digest, and the number of the source's version by then.
        self._edits: dict[str, tuple[str, int]] = {}
        #: Since when the source does not want the order created; None if it does.
        self._unlive: float | None = None
        self._lived = False

    def note_source(self, entry: dict[str, Any], system: str, rules: frozenset[str]) -> None:
        """Add a version of the source, or its deletion."""
        did = entry["did"]
        if did == "changed" and not self._versions:
            return  # this account is the target of the order
        self._rules |= rules
        standing, fields = entry.get("standing", "live"), entry.get("fields", {})
        if did == "deleted":
            standing = "cancelled" if system in _REPORTS_DELETIONS else "gone"
            fields = self._versions[-1].fields if self._versions else {}
        excluded = _NOT_COMPARABLE.get(system, frozenset())
        self._versions.append(Version(entry["mono"], entry["run"], fields, standing, excluded))
        wanted = did != "deleted" and (standing == "live" or "creates-all" in rules)
        self._expected, self._lived = wanted, self._lived or wanted
        if wanted:
            self._unlive = None
        elif self._unlive is None:
            self._unlive = entry["mono"]

    def note_target(self, entry: dict[str, Any]) -> None:
        """Add a write in the target."""
        did = entry["did"]
        if did == "created":
            self._created += 1
            self._note_unwanted(entry["mono"])
        elif not self._created:
            return  # not one of our orders
        before = self._last
        now = self._last = Version(entry["mono"], entry["run"], entry.get("fields", {}), entry.get("standing", "live"))
        if entry.get("by") == "person":
            self._note_edits(before, now)
            return
        self._note_overwritten(now)
        same = [n for n, version in enumerate(self._versions) if not version.differs(now, self._edits.keys() | set())]
        self._open_wrong = [] if same else self._nearest(now)
        self._open_stale = bool(same) and same[-1] < self._floor
        if did == "created":
            self._wrong += self._open_wrong
        if not self._stepwise:
            self._stale |= self._open_stale
        if same and same[-1] >= self._floor:
            self._floor = next(n for n in same if n >= self._floor)

    def _note_unwanted(self, at: float) -> None:
        """Note a creation that the source does not want: never, or for longer than the notice takes."""
        if self._versions and self._unlive is not None:
            self._unwanted |= not self._lived or at - self._unlive > self._notice

    def _note_edits(self, before: Version | None, now: Version) -> None:
        since = len(self._versions) - 1
        for name in [] if before is None else before.differs(now):
            self._edits[name] = now.fields[name], since
        if before is None or before.standing != now.standing:
            self._edits["standing"] = now.standing, since

    def _note_overwritten(self, now: Version) -> None:
        """Note an edit that is not there any more; where the source changed the field since, its value counts."""
        for name, (digest, since) in list(self._edits.items()):
            if now.fields.get(name, digest) == digest:
                continue
            del self._edits[name]
            values = {version.fields.get(name) for version in self._versions[max(since, 0) :]}
            self._overwritten |= len(values) <= 1

    def _nearest(self, now: Version) -> list[str]:
        """Return the fields in which a write differs from the version that is most like it."""
        but = set(self._edits)
        return min(
            (version.differs(now, but) for version in reversed(self._versions)), key=len, default=["created first"]
        )

    def add_to(self, key: str, verdict: Verdict, keep: int) -> None:
        """Add the result of this order to the verdict."""
        newest, last = (self._versions[-1] if self._versions else None), self._last
        cancelled = newest is not None and newest.standing == "cancelled"
        verdict.orders += self._expected
        verdict.created += bool(self._created and newest)
        wrong = [*self._wrong, *self._open_wrong]
        behind = False
        if last is not None and newest is not None and self._created:
            verdict.cancelled += cancelled and last.standing == "cancelled"
            never = all(version.standing == "live" for version in self._versions)
            if last.standing == "cancelled" and never and "standing" not in self._edits:
                wrong.append("standing")
            behind = self._expected and not cancelled and bool(newest.differs(last, set(self._edits)))
        updates = "updates" in self._rules
        faults = {
            "lost": self._expected and not self._created,
            "duplicated": self._created > 1,
            "wrong": bool(self._versions and wrong),
            "stale": self._stale or self._open_stale,
            "outdated": behind and updates and not (wrong or self._open_stale),
            "unwanted": self._unwanted,
            "uncancelled": cancelled and "cancels" in self._rules and last is not None and last.standing != "cancelled",
            "overwritten": self._overwritten,
            "unknown": bool(self._created) and not self._versions,
            "behind": behind and not updates,
        }
        for name, present in faults.items():
            if present:
                named = f"{key} ({', '.join(dict.fromkeys(wrong))})" if name == "wrong" else key
                getattr(verdict, name).add(named, keep)
