"""Decide from journals of any length which orders broke a promise, and which calls came too fast."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections import deque
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from worker.lab.history.verdict import OrderHistory, Verdict
from worker.systems.references import decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from worker.lab.history.routes import Account, Route

_TABLES: Final = """
PRAGMA journal_mode = off; PRAGMA synchronous = off; PRAGMA cache_size = -65536;
CREATE TABLE write (target INTEGER, key TEXT, mono REAL, n INTEGER, route INTEGER, entry TEXT);
CREATE TABLE call (system TEXT, address TEXT, arrived REAL);
"""
#: Rows that are inserted in one transaction.
_AT_ONCE: Final = 5000
#: The characters that ids of a target may have; a reference is encoded with them.
_ALPHABET: Final = {"ordercloud": "A-Za-z0-9-"}
#: The route number of a target's own writes.
_TARGET: Final = -1
#: The columns of an effect that are judged.
_JUDGED: Final = ("did", "run", "mono", "fields", "standing", "by")


@dataclass(frozen=True, slots=True)
class Pace:
    """The calls of an address to a system with a limit; `over` is the number of calls beyond the limit."""

    system: str
    address: str
    calls: int
    over: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """The judgement of all journals; targets are named as in `dropday/main`."""

    targets: dict[str, Verdict]
    paces: list[Pace]

    def clean(self, too_soon: float = 0.0) -> bool:
        """Return whether no promise was broken; a share of an address' calls may exceed the limit (network bursts)."""
        return all(verdict.clean for verdict in self.targets.values()) and all(
            pace.over <= too_soon * pace.calls for pace in self.paces
        )


def judge(
    entries: Iterable[dict[str, Any]],
    routes: Sequence[Route],
    excused: AbstractSet[str] = frozenset(),
    keep: int = 5,
    notice: float = 0.0,
) -> Judgement:
    """Judge a history.

    Args:
        entries: The lines of the journals (described in worker/lab/sandbox/journal.py), each with its `run`.
        routes: The routes from sources to targets.
        excused: References of orders that need not arrive (a person knows about them).
        keep: The number of orders to name for each fault.
        notice: Seconds after a cancellation at the source within which an order may still be created: it takes that
            long until the source is read, and the last call is over.
    """
    with tempfile.TemporaryDirectory(prefix="intake-history-") as home:
        database = sqlite3.connect(Path(home) / "history.sqlite", isolation_level=None)
        try:
            database.executescript(_TABLES)
            history = _History(database, routes)
            history.take(entries)
            return Judgement(history.verdicts(excused, keep, notice), list(history.paces()))
        finally:
            database.close()


class _History:
    """The relevant events, on disk, so that they can be sorted by order."""

    def __init__(self, database: sqlite3.Connection, routes: Sequence[Route]) -> None:
        self._database, self._routes = database, routes
        self._targets = list(dict.fromkeys(route.target for route in routes))
        self._limits: dict[str, list[tuple[float, int, float]]] = {}

    def take(self, entries: Iterable[dict[str, Any]]) -> None:
        """Store the relevant entries."""
        to: dict[Account, list[tuple[int, Route]]] = {}
        for number, route in enumerate(self._routes):
            to.setdefault(route.source, []).append((number, route))
        writes: list[tuple[Any, ...]] = []
        calls: list[tuple[Any, ...]] = []
        for n, entry in enumerate(entries):
            match entry["kind"]:
                case "effect":
                    writes += self._writes(entry, n, to)
                case "request" if entry["system"] in self._limits:
                    calls.append((entry["system"], entry["address"], entry["arrived"]))
                case "limit" if entry["window"] or entry["system"] in self._limits:
                    limit = entry["mono"], entry["calls"], entry["window"]
                    self._limits.setdefault(entry["system"], []).append(limit)
            if len(writes) + len(calls) > _AT_ONCE:
                self._store(writes, calls)
        self._store(writes, calls)
        for limits in self._limits.values():
            limits.sort()

    def _store(self, writes: list[tuple[Any, ...]], calls: list[tuple[Any, ...]]) -> None:
        self._database.execute("BEGIN")
        self._database.executemany("INSERT INTO write VALUES (?, ?, ?, ?, ?, ?)", writes)
        self._database.executemany("INSERT INTO call VALUES (?, ?, ?)", calls)
        self._database.execute("COMMIT")
        writes.clear()
        calls.clear()

    def _writes(
        self, entry: dict[str, Any], n: int, to: dict[Account, list[tuple[int, Route]]]
    ) -> Iterator[tuple[Any, ...]]:
        account, did = (entry["system"], entry["account"]), entry["did"]
        judged = json.dumps({name: entry[name] for name in _JUDGED if name in entry})
        if did in {"added", "changed", "deleted"}:
            for number, route in to.get(account, ()):
                key = route.reference.replace("{id}", str(entry["reference"]))
                yield self._targets.index(route.target), key, entry["mono"], n, number, judged
        if did in {"created", "changed"} and account in self._targets:
            key = decode(str(entry["external_id"]), _ALPHABET.get(account[0]))
            yield self._targets.index(account), key, entry["mono"], n, _TARGET, judged

    def verdicts(self, excused: AbstractSet[str], keep: int, notice: float) -> dict[str, Verdict]:
        """Return the verdict for each target."""
        verdicts = {"/".join(target): Verdict() for target in self._targets}
        rows = self._database.execute("SELECT target, key, route, entry FROM write ORDER BY target, key, mono, n")
        for (target, key), group in groupby(rows, key=lambda row: row[:2]):
            history = OrderHistory(self._targets[target][0], notice)
            for _, _, number, entry in group:
                if number == _TARGET:
                    history.note_target(json.loads(entry))
                else:
                    route = self._routes[number]
                    history.note_source(json.loads(entry), route.source[0], route.rules)
            if key not in excused:
                history.add_to(key, verdicts["/".join(self._targets[target])], keep)
        return verdicts

    def paces(self) -> Iterator[Pace]:
        """Yield the calls and the calls beyond the limit for each system and address."""
        rows = self._database.execute("SELECT system, address, arrived FROM call ORDER BY system, address, arrived")
        for (system, address), group in groupby(rows, key=lambda row: row[:2]):
            limits, at = self._limits[system], 0
            calls = over = 0
            accepted: deque[float] = deque()
            for _, _, arrived in group:
                while at + 1 < len(limits) and limits[at + 1][0] <= arrived:
                    at += 1
                _, most, window = limits[at]
                while accepted and arrived - accepted[0] >= window:
                    accepted.popleft()
                calls += 1
                if window and len(accepted) >= most:
                    over += 1
                else:
                    accepted.append(arrived)
            yield Pace(system, address, calls, over)
