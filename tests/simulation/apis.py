"""The simulated systems: their HTTP interface and their actual content."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from support.raw_answer import RawAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulation.adapters import DepotOptions
    from simulation.faults import Faults
    from simulation.journal import Journal
    from worker.store.limits.limit import Limit

#: Seconds for which a target that does not settle hides a new order: at most `[clocks] arrived`.
HIDDEN = (5, 60)
#: Records on a page of the feed.
PAGE = 5


class Violation(AssertionError):
    """A promise was broken."""


def _json(status: int, body: Any) -> RawAnswer:
    return RawAnswer(status, {"Content-Type": "application/json"}, json.dumps(body).encode())


def _status(status: int, after: float = 0.0) -> RawAnswer:
    headers = {"Content-Type": "text/html"} | ({"Retry-After": f"{after:.0f}"} if after else {})
    return RawAnswer(status, headers, b"<html>")


class Api:
    """One system, with a limit, faults and its own clock."""

    def __init__(self, name: str, limits: tuple[Limit, ...], faults: Faults, journal: Journal) -> None:
        self.name, self.limits, self.faults, self.journal, self.now = name, limits, faults, journal, journal.now
        #: When the calls that count towards its limit were sent (microseconds).
        self._left: deque[int] = deque()
        self.calls = 0
        #: When its maintenance ends, and whether it refuses connections until then.
        self.down_until, self.refusing = 0, False
        #: Seconds that each response takes.
        self.pace = (0.02, 0.2)

    def refuses(self) -> bool:
        """Return whether the system refuses connections at the moment."""
        return self.refusing and self.now() < self.down_until

    def leaves(self, *, late: bool) -> None:
        """Count a sent call, unless it is `late`: its process was stopped after the limit had let it go.

        Raise Violation for a call over the limit.
        """
        if late or not self.limits:
            return
        limit = self.limits[0]
        self._left.append(self.now())
        if len(self._left) > limit.count and self._left.popleft() > self.now() - limit.period * 1e6:
            raise Violation(f"more than {limit} calls were sent to {self.name}")

    def forget(self) -> None:
        """Forget the sent calls: the state of the limit was lost with Redis."""
        self._left.clear()

    def arrive(self, method: str, path: str, body: bytes | None) -> tuple[RawAnswer | None, float]:
        """Return the response, or None if the connection breaks, and the seconds until it arrives."""
        self.calls += 1
        delay = self.faults.rng.uniform(*self.pace)
        if self.now() < self.down_until:
            return _status(503, (self.down_until - self.now()) / 1e6 % 60 + 1), delay
        fault = self.faults.answer(self)
        before = {"cut before": None, "500 before": _status(500), "401": _status(401)}
        if fault == "429":
            before["429"] = _status(429, self.faults.rng.choice([0, 1, 5, 30]))
        if fault in before:
            return before[fault], delay
        answer = self.handle(method, path, body)
        if fault == "slow":
            return answer, self.faults.rng.uniform(1, 45)
        after = {"cut after": None, "500 after": _status(500), "503 after": _status(503, 2), "garbage": _status(200)}
        return after.get(fault, answer), delay

    def handle(self, method: str, path: str, body: bytes | None) -> RawAnswer:
        raise NotImplementedError


class ShopApi(Api):
    """Orders with all their versions, and a feed of the changed ids with the version of each change."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.orders: dict[str, list[dict[str, Any]]] = {}
        self.feed: list[tuple[str, int]] = []
        self.versions = 0

    def write(self, external_id: str, note: str) -> dict[str, Any]:
        """Add or change an order, and show it in the feed."""
        self.versions += 1
        versions = self.orders.get(external_id)
        placed = versions[0]["placed"] if versions else datetime.fromtimestamp(self.now() / 1e6, UTC).isoformat()
        raw = {"id": external_id, "version": self.versions, "note": note, "placed": placed}
        self.orders.setdefault(external_id, []).append(raw)
        self.feed.append((external_id, self.versions))
        self.journal.note("shop", self.name, "changed" if versions else "added", external_id, note)
        return raw

    def handle(self, method: str, path: str, body: bytes | None) -> RawAnswer:
        if path.startswith("/orders/"):
            versions = self.orders.get(path.removeprefix("/orders/"))
            return _json(200, versions[-1]) if versions else _json(404, {})
        at = int(parse_qs(path.partition("?")[2])["after"][0])
        end = min(at + PAGE, len(self.feed))
        items = [self.orders[external_id][-1] for external_id, _ in self.feed[at:end]]
        return _json(200, {"items": items, "next": str(end), "more": end < len(self.feed)})


@dataclass
class Made:
    """An order in a target."""

    id: str
    body: dict[str, Any]
    shown: int
    ready: int
    at: int


@dataclass(eq=False)
class _Books:
    #: The orders by reference, and by the key of the order at its source.
    by_reference: dict[str, Made] = field(default_factory=dict)
    made: dict[str, list[Made]] = field(default_factory=dict)
    steps: dict[str, Made] = field(default_factory=dict)
    #: The highest version written since the ledger was new, or forgot something, by key.
    highest: dict[str, int] = field(default_factory=dict)


class DepotApi(Api):
    """A target that knows an order by its reference; `made` has every order ever created, by its key at the source.

    Two orders of one key are a duplicate, whatever their references are.
    """

    def __init__(self, traits: DepotOptions, *given: Any) -> None:
        super().__init__(*given)
        self.traits, self._books = traits, _Books()
        self.made = self._books.made
        #: Returns what is wrong with creating the order of this key now, or "".
        self.objection: Callable[[str], str] = lambda _: ""

    def ledger_lost(self) -> None:
        """Forget what was sent, as the ledger does, or as it may do for its last writes."""
        self.forget()
        self._books.highest.clear()

    def handle(self, method: str, path: str, body: bytes | None) -> RawAnswer:
        if path.startswith("/steps/"):
            made = self._books.steps[path.removeprefix("/steps/")]
            if self.now() < made.ready:
                return _json(200, {"is": "taken"})
            made.shown = 0
            return _json(200, {"is": "made", "id": made.id})
        if method == "POST":
            return _json(200, [self._create(order) for order in json.loads(body or b"")])
        if method == "PUT":
            return _json(200, self._change(unquote(path.removeprefix("/orders/")), json.loads(body or b"")))
        reference = parse_qs(path.partition("?")[2])["reference"][0]
        known = self._books.by_reference.get(reference)
        return _json(200, [known.id] if known and known.shown <= self.now() else [])

    def _refused(self, body: dict[str, Any]) -> dict[str, Any] | None:
        word = body["note"].partition(" ")[0]
        return {"is": word} if word in {"refused", "unmapped"} else None

    def _create(self, body: dict[str, Any]) -> dict[str, Any]:
        reference, key = body["reference"], body["key"]
        existing = self._books.by_reference.get(reference)
        if existing and self.traits.dedupes:
            return {"is": "there", "id": existing.id}
        if refused := self._refused(body):
            return refused
        if key in self.made:
            raise Violation(f"{self.name}: {key} was created twice")
        if objection := self.objection(key):
            raise Violation(f"{self.name}: {key} was created, and {objection}")
        self._written(body)
        shown = self.now() + int(self.faults.rng.uniform(*HIDDEN) * 1e6) if not self.traits.settles else 0
        ready = self.now() + int(self.faults.rng.uniform(0, 8) * 1e6) if self.traits.steps else 0
        made = Made(f"{self.name}-{len(self.made)}", body, shown, ready, self.now())
        self.made[key], self._books.by_reference[reference] = [made], made
        self.journal.note("depot", self.name, "created", key, body["note"])
        if not self.traits.steps:
            return {"is": "made", "id": made.id}
        self._books.steps[made.id] = made
        return {"is": "taken", "id": made.id}

    def _change(self, reference: str, body: dict[str, Any]) -> dict[str, Any]:
        if refused := self._refused(body):
            return refused
        self._written(body)
        self._books.by_reference[reference].body = body
        self.journal.note("depot", self.name, "changed", body["key"], body["note"])
        return {"is": "changed"}

    def _written(self, body: dict[str, Any]) -> None:
        key = body["key"]
        highest = self._books.highest.get(key, 0)
        if body["version"] < highest:
            raise Violation(f"{self.name}: version {body['version']} of {key} was written over {highest}")
        self._books.highest[key] = body["version"]
