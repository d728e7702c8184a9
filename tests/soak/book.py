"""What the systems of a soak hold: a few numbers for each order, and the journal from which they can be rebuilt."""

from __future__ import annotations

import hashlib
import heapq
import json
import os
import time
from array import array
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from soak import bodies, plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

#: The run of the journal: all digests of a soak can be compared.
RUN = "soak"


class Journal:
    """Writes the lines that `intake history` judges (worker/lab/sandbox/journal.py); the file survives any kill."""

    def __init__(self, path: Path) -> None:
        self._file, self._seq = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644), 0
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":
            os.write(self._file, b"\n")
        self.write({"kind": "run", "run": RUN})

    def write(self, entry: dict[str, Any]) -> None:
        self._seq += 1
        line = {"seq": self._seq, "mono": time.monotonic(), "wall": time.time(), **entry}
        os.write(self._file, json.dumps(line, separators=(",", ":")).encode() + b"\n")

    def effect(self, system: str, account: str, did: str, key: str, **columns: Any) -> None:
        names = {"reference": key, "external_id": key}
        self.write({"kind": "effect", "system": system, "account": account, "did": did, **names, **columns})


def digests(fields: dict[str, str]) -> dict[str, str]:
    return {
        name: hashlib.blake2b(f"{name}={text}".encode(), digest_size=6).hexdigest() for name, text in fields.items()
    }


@dataclass
class Source:
    """One account that provides orders; the index of an order is its number minus 1."""

    name: str
    target: str
    made: array[float] = field(default_factory=lambda: array("d"))
    version: bytearray = field(default_factory=bytearray)
    cancelled: bytearray = field(default_factory=bytearray)
    #: How often each order was created in its target.
    created: bytearray = field(default_factory=bytearray)
    #: The changes in order: when, and of which order.
    changed_at: array[float] = field(default_factory=lambda: array("d"))
    changed: array[int] = field(default_factory=lambda: array("l"))
    there: int = 0
    #: All orders before this index have been created.
    first_missing: int = 0

    def add(self, at: float) -> int:
        """Add an order; return its number."""
        self.made.append(at)
        for each in (self.version, self.cancelled, self.created):
            each.append(0)
        self.change(len(self.made), at)
        return len(self.made)

    def change(self, number: int, at: float) -> None:
        self.changed_at.append(at)
        self.changed.append(number)

    def missing(self, older: float) -> Iterable[int]:
        """Yield the numbers of orders made more than `older` seconds ago that are wanted and were not created."""
        while self.first_missing < len(self.made) and self.created[self.first_missing]:
            self.first_missing += 1
        until = bisect_left(self.made, time.time() - older)
        at = self.created.find(0, self.first_missing, until)
        while at >= 0:
            if not self.cancelled[at]:
                yield at + 1
            at = self.created.find(0, at + 1, until)


@dataclass
class Held:
    """An order in a target that cancels and updates, if anything happens to it: as it was posted, and edited since."""

    body: dict[str, Any]
    cancelled: bool = False


class Book:
    """All sources and targets of a soak."""

    def __init__(self, sources: dict[str, str], polled: Iterable[str], seed: int, home: Path) -> None:
        self.sources = {name: Source(name, target) for name, target in sources.items()}
        self.polled, self.seed = frozenset(polled), seed
        self.counts: Counter[str] = Counter()
        self.held: dict[str, Held] = {}
        self.extra = self.duplicates = 0
        #: The changes to come: when, source, number, what.
        self.due: list[tuple[float, str, int, str]] = []
        #: Orders whose newest version is not in the target yet.
        self.open: set[tuple[str, int]] = set()
        file = home / "journal.jsonl"
        if file.exists():
            self._rebuild(file)
        self.journal = Journal(file)

    # --- the sources ---

    def make(self, name: str, count: int) -> None:
        source, now = self.sources[name], time.time()
        while len(source.made) < count:
            number = source.add(now)
            if (fate := self.fate(name, number)).what == "cancelled at birth":
                source.cancelled[number - 1] = 1
            self._note_source("added", source, number)
            if fate.what not in plan.LATE:
                self._schedule(name, number, fate)

    def fate(self, name: str, number: int) -> plan.Fate:
        return plan.fate(self.seed, name, number) if name in self.polled else plan.PLAIN

    def _schedule(self, name: str, number: int, fate: plan.Fate) -> None:
        what = "cancel" if fate.what.startswith("cancelled") else "edit"
        for n, after in enumerate(fate.after):
            by_person = fate.what == "edited by both" and n == 0 and self.sources[name].target == "crm"
            when = time.time() + after
            heapq.heappush(self.due, (when, name, number, "person" if by_person else what))

    def catch_up(self) -> None:
        """Make the changes that are due."""
        while self.due and self.due[0][0] <= time.time():
            _, name, number, what = heapq.heappop(self.due)
            source = self.sources[name]
            if what == "person":
                self._edit_as_person(source, number)
                heapq.heappush(self.due, (time.time() + 1.0, name, number, "edit"))
                continue
            if what == "cancel":
                source.cancelled[number - 1] = 1
            else:
                source.version[number - 1] += 1
            source.change(number, time.time())
            self.counts[f"{what} at the source"] += 1
            self._note_source("changed", source, number)

    def _note_source(self, did: str, source: Source, number: int) -> None:
        at = number - 1
        order = bodies.content(source.name, number, source.version[at])
        columns: dict[str, Any] = {"fields": digests(bodies.essence(order))}
        if source.cancelled[at]:
            columns["standing"] = "cancelled"
        self.journal.effect("source", source.name, did, str(number), **columns)
        self._review(source, number)

    def _edit_as_person(self, source: Source, number: int) -> None:
        """Let a person correct the name of the receiver in the target."""
        reference = f"{source.name}:{number}"
        if (held := self.held.get(reference)) is None or held.cancelled:
            return
        held.body["firstName"] = "Corrected"
        self.counts["edit by a person in the target"] += 1
        self._note_target("crm", "changed", reference, bodies.in_crm(held.body), by="person")

    # --- the targets ---

    def place(self, reference: str) -> tuple[Source, int] | None:
        """Return the source of an order and its index there, or None for an unknown order."""
        name, _, number = reference.partition(":")
        source = self.sources.get(name)
        at = int(number) - 1 if number.isdecimal() else -1
        return (source, at) if source is not None and 0 <= at < len(source.made) else None

    def holds(self, target: str, reference: str) -> int:
        """Return the target's id of an order that it has, or 0."""
        place = self.place(reference)
        if place is None or place[0].target != target or not place[0].created[place[1]]:
            return 0
        return list(self.sources).index(place[0].name) * 10_000_000 + place[1] + 1

    def create(self, target: str, reference: str, given: bodies.Content, **columns: Any) -> int:
        """Note one creation and return the target's id."""
        self._note_target(target, "created", reference, given, **columns)
        place = self.place(reference)
        if place is None or place[0].target != target:
            self.extra += 1
            return 1
        self._count(*place)
        if (fate := self.fate(place[0].name, place[1] + 1)).what in plan.LATE:
            self._schedule(place[0].name, place[1] + 1, fate)
        self._review(place[0], place[1] + 1)
        return self.holds(target, reference)

    def _count(self, source: Source, at: int) -> None:
        source.there += not source.created[at]
        self.duplicates += source.created[at] > 0
        source.created[at] = min(255, source.created[at] + 1)

    def keep(self, reference: str, body: dict[str, Any]) -> None:
        """Keep the body of an order to which something will happen."""
        place = self.place(reference)
        if place is not None and self.fate(place[0].name, place[1] + 1) != plan.PLAIN:
            self.held[reference] = Held(body)

    def edited(self, reference: str) -> None:
        """Note that an order was edited by a call."""
        held, place = self.held[reference], self.place(reference)
        held.cancelled = held.body.get("status") == "cancel-other"
        self.counts["cancelled in crm" if held.cancelled else "updated in crm"] += 1
        self._note_target("crm", "changed", reference, bodies.in_crm(held.body))
        if place is not None:
            self._review(place[0], place[1] + 1)

    def _note_target(self, target: str, did: str, reference: str, given: bodies.Content, **columns: Any) -> None:
        total = columns.pop("total", None)
        if (held := self.held.get(reference)) is not None and held.cancelled:
            columns["standing"] = "cancelled"
        columns["fields"] = digests(bodies.essence(given, total))
        if target == "crm" and held is not None:
            columns["body"] = held.body  # from which the order is rebuilt
        self.journal.effect(target, target, did, reference, **columns)

    # --- the end ---

    def _review(self, source: Source, number: int) -> None:
        """Note whether the target has what the source has now."""
        (self.open.discard if self._settled(source, number) else self.open.add)((source.name, number))

    def _settled(self, source: Source, number: int) -> bool:
        at = number - 1
        if self.fate(source.name, number).what == "hostile":
            return True
        if not source.created[at]:
            return bool(source.cancelled[at])
        held = self.held.get(f"{source.name}:{number}")
        if source.target != "crm" or held is None:
            return True
        if source.cancelled[at]:
            return held.cancelled
        given, newest = bodies.in_crm(held.body), bodies.content(source.name, number, source.version[at])
        return given._replace(first="") == newest._replace(first="")

    # --- after a restart ---

    def _rebuild(self, file: Path) -> None:
        """Rebuild everything from the journal."""
        for entry in _effects(file):
            key, did = str(entry["external_id"]), entry["did"]
            if entry["system"] == "source":
                self._rebuild_source(self.sources[entry["account"]], int(key), entry)
                continue
            place = self.place(key)
            if place is None:
                self.extra += 1
                continue
            if "body" in entry:
                self.held[key] = Held(entry["body"], entry.get("standing") == "cancelled")
            if did == "created":
                self._count(*place)
        for name, source in self.sources.items():
            for number in range(1, len(source.made) + 1):
                self._reschedule(name, number)
                self._review(source, number)

    def _rebuild_source(self, source: Source, number: int, entry: dict[str, Any]) -> None:
        if entry["did"] == "added":
            source.add(entry["wall"])
        else:
            source.change(number, entry["wall"])
        cancelled = entry.get("standing") == "cancelled"
        source.version[number - 1] += entry["did"] == "changed" and not cancelled
        source.cancelled[number - 1] = cancelled

    def _reschedule(self, name: str, number: int) -> None:
        """Schedule the changes that were due when the systems were stopped."""
        source, at, fate = self.sources[name], number - 1, self.fate(name, number)
        done = source.version[at] + source.cancelled[at]
        if fate.after and done < len(fate.after) and (fate.what not in plan.LATE or source.created[at]):
            self._schedule(name, number, plan.Fate(fate.what, fate.after[done:]))


def _effects(file: Path) -> Iterator[dict[str, Any]]:
    with file.open("rb") as lines:
        for line in lines:
            if b'"effect"' in line and line.endswith(b"}\n"):
                yield json.loads(line)
