"""The systems of a soak: shops that generate orders, and targets that count each order and check it on arrival.

They need little memory: for each order they keep only when it was made and how often it was created. `python
-m soak.systems` prints its port. `POST /soak/make` sets how many orders each source has, `GET /soak/state` returns how
many arrived, `GET /soak/missing` which did not.
"""

from __future__ import annotations

import json
import random
import sys
import time
from array import array
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from soak import bodies
from soak.server import Reply, serve

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Seconds for which a late change already has its id but is not visible.
_HIDDEN = 1.0
#: Wrong orders that are listed, of each sort.
_LISTED = 200
Query = dict[str, list[str]]


def _local(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"


def _json(body: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(body).encode())


def _settings() -> Reply:
    """Return the settings of an account of RetailCRM."""
    return _json({"success": True, "settings": {"timezone": {"value": "UTC"}}})


@dataclass
class Source:
    """One account that provides orders."""

    name: str
    target: str
    made: array[float] = field(default_factory=lambda: array("d"))
    #: How often each order was created in its target.
    created: bytearray = field(default_factory=bytearray)
    there: int = 0
    #: All orders before this index have been created.
    first_missing: int = 0

    def make(self, count: int) -> None:
        more = max(0, count - len(self.made))
        self.made.extend([time.time()] * more)
        self.created.extend(bytes(more))

    def missing(self, older: float) -> Iterable[int]:
        """Yield the numbers (from 1) of orders made more than `older` seconds ago that were not created."""
        while self.first_missing < len(self.made) and self.created[self.first_missing]:
            self.first_missing += 1
        until = bisect_left(self.made, time.time() - older)
        at = self.created.find(0, self.first_missing, until)
        while at >= 0:
            yield at + 1
            at = self.created.find(0, at + 1, until)


class Shop:
    """The part of RetailCRM's API, version 5, that reads orders."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def answer(self, path: str, query: Query, rng: random.Random, malformed: float) -> Reply:
        if path == "/api/v5/orders/history":
            return self._history(query)
        if path == "/api/v5/orders":
            rows = [self._order(int(order_id)) for order_id in query.get("filter[ids][]", ())]
            if rows and rng.random() < malformed:
                rows[0]["items"][0]["quantity"] = "some"
            return _json({"success": True, "orders": rows})
        if path == "/api/v5/settings":
            return _settings()
        name = path.rpartition("/")[2]
        number = int(name) if name.isdecimal() else 0
        if not 1 <= number <= len(self.source.made):
            return _json({"success": False, "errorMsg": "Not found"}, 404)
        return _json({"success": True, "order": self._order(number)})

    def _order(self, number: int) -> dict[str, Any]:
        return bodies.shop_order(self.source.name, number, _local(self.source.made[number - 1]))

    def _history(self, query: Query) -> Reply:
        made, now, limit = self.source.made, time.time(), int(query["limit"][0])
        if since := query.get("filter[sinceId]"):
            begin = int(since[0])
        else:
            start = datetime.strptime(query["filter[startDate]"][0], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
            begin = bisect_left(made, start.timestamp())
        page = int(query.get("page", ["1"])[0])
        total = max(0, len(made) - begin)
        first = begin + (page - 1) * limit + 1
        rows = [
            {"id": n, "createdAt": _local(made[n - 1]), "created": True, "source": "user", "order": {"id": n}}
            for n in range(first, min(first + limit, len(made) + 1))
            if n % bodies.LATE or made[n - 1] + _HIDDEN < now
        ]
        pages = {"limit": limit, "totalCount": total, "currentPage": page, "totalPageCount": -(-total // limit)}
        return _json({"success": True, "generatedAt": _local(now), "history": rows, "pagination": pages})


class Book:
    """The creations in all targets."""

    def __init__(self, sources: dict[str, Source]) -> None:
        self.sources = sources
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.extra: list[str] = []
        self.duplicates = 0

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

    def create(self, target: str, reference: str, given: bodies.Content) -> int:
        """Note one creation and return the target's id."""
        place = self.place(reference)
        if place is None or place[0].target != target:
            self.extra.append(f"{target} {reference}")
            return 1
        source, at = place
        source.there += not source.created[at]
        self.duplicates += source.created[at] > 0
        source.created[at] = min(255, source.created[at] + 1)
        if given != bodies.content(source.name, at + 1):
            self.wrong.append(f"{target} {reference}")
        return self.holds(target, reference)

    def state(self) -> dict[str, Any]:
        duplicated = [
            f"{s.target} {s.name}:{n + 1} x{c}" for s in self.sources.values() for n, c in enumerate(s.created) if c > 1
        ]
        return {
            "made": {name: len(s.made) for name, s in self.sources.items()},
            "there": {name: s.there for name, s in self.sources.items()},
            "duplicated": duplicated[:_LISTED],
            "wrong": self.wrong[:_LISTED],
            "extra": self.extra[:_LISTED],
            "counts": dict(self.counts),
        }


class Depot:
    """Dropday's API with duplicate handling off: an order sent twice is created twice."""

    def __init__(self, name: str, book: Book) -> None:
        self.name, self.book = name, book

    def answer(self, method: str, path: str, query: Query, body: bytes) -> Reply:
        if method == "POST":
            given = json.loads(body)
            made = self.book.create(self.name, given["external_id"], bodies.in_depot(given))
            return _json({"message": "Order created", "reference": made})
        if path == "/api/v1":
            return _json({})
        reference = query["external_id"][0]
        made = self.book.holds(self.name, reference)
        return _json({"data": [{"external_id": reference, "reference": made}] if made else [], "last_page": 1})


class Crm:
    """The part of RetailCRM's API, version 5, that writes orders; it refuses duplicates."""

    def __init__(self, name: str, book: Book) -> None:
        self.name, self.book = name, book

    def answer(self, method: str, path: str, query: Query, body: bytes) -> Reply:
        if method == "POST":
            given = dict(parse_qsl(body.decode()))
            return self._upload(json.loads(given["orders"])) if "orders" in given else self._create(given["order"])
        if path == "/api/v5/settings":
            return _settings()
        if path == "/api/v5/orders":
            ids = query.get("filter[externalIds][]", [])
            return _json({"success": True, "orders": [order for name in ids if (order := self._there(name))]})
        if order := self._there(unquote(path.rpartition("/")[2])):
            return _json({"success": True, "order": order})
        return _json({"success": False, "errorMsg": "Not found"}, 404)

    def _there(self, reference: str) -> dict[str, Any] | None:
        """Return an order as it is recognized: by the time of creation that was sent, as nothing else is kept."""
        place, made = self.book.place(reference), self.book.holds(self.name, reference)
        if place is None or not made:
            return None
        source, at = place
        return {"id": made, "externalId": reference, "createdAt": _local(source.made[at])}

    def _take(self, order: dict[str, Any]) -> int:
        """Create an order and return its id, or 0 if it exists already."""
        if self.book.holds(self.name, order["externalId"]):
            self.book.counts["duplicates refused by crm"] += 1
            return 0
        return self.book.create(self.name, order["externalId"], bodies.in_crm(order))

    def _create(self, text: str) -> Reply:
        order = json.loads(text)
        if made := self._take(order):
            return _json({"success": True, "id": made}, 201)
        return _json(
            {"success": False, "errorMsg": f"Order with externalId={order['externalId']} already exists."}, 400
        )

    def _upload(self, orders: list[dict[str, Any]]) -> Reply:
        taken = [(order["externalId"], self._take(order)) for order in orders]
        done = [{"id": made, "externalId": name} for name, made in taken if made]
        failed = [{"externalId": name} for name, made in taken if not made]
        if failed:
            head = {"success": False, "errorMsg": "Orders are loaded with errors", "failedOrders": failed}
            return _json({**head, "uploadedOrders": done}, 460)
        return _json({"success": True, "uploadedOrders": done}, 201)


class Systems:
    """All systems behind one port; the first part of the path selects the system."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.sources = {name: Source(name, target) for name, target in plan["sources"].items()}
        self.book = Book(self.sources)
        self.shops = {name: Shop(source) for name, source in self.sources.items()}
        self.targets: dict[str, Depot | Crm] = {"depot": Depot("depot", self.book), "crm": Crm("crm", self.book)}
        #: The probability that a call of each sort fails.
        self.weather: dict[str, float] = plan["weather"]
        #: The seconds after which each response is sent, at least and at most.
        self.latency: tuple[float, float] = tuple(plan["latency"])
        self.rng = random.Random(plan["seed"])

    def answer(self, method: str, target: str, body: bytes) -> Reply:
        """Return the response to one request, with the faults of the weather and the latency."""
        path, _, text = target.partition("?")
        _, system, rest = path.split("/", 2)
        query: Query = {}
        for name, value in parse_qsl(text):
            query.setdefault(name, []).append(value)
        if system == "soak":
            return self._soak(rest, query, body)
        sort = "write" if method == "POST" else "read"
        sort = f"{system if system in self.targets else 'shop'} {sort}"
        # Settings stay free of faults: if they are a web page, Intake assumes a wrong URL and stops until resumed.
        reply = None if rest.endswith("/settings") else self._before(sort)
        if reply is None:
            reply = self._real(system, method, f"/{rest}", query, body)
            self._after(sort, reply)
        reply.delay += self.rng.uniform(*self.latency)
        return reply

    def _real(self, system: str, method: str, path: str, query: Query, body: bytes) -> Reply:
        if system in self.targets:
            return self.targets[system].answer(method, path, query, body)
        return self.shops[system].answer(path, query, self.rng, self.weather["malformed"])

    def _before(self, sort: str) -> Reply | None:
        """Return a response that fails before the effect (500, HTML page, cut, 429, 503), or None."""
        if self.rng.random() >= self.weather[sort]:
            return None
        fault = self.rng.choice(("500 before", "html", "cut before", "429", "503"))
        self.book.counts[f"{sort}: {fault}"] += 1
        match fault:
            case "500 before":
                return _json({"success": False, "errorMsg": "Internal error"}, 500)
            case "html":
                return Reply(200, b"<html><body>One moment, please</body></html>", kind="text/html")
            case "cut before":
                return Reply(0)
        return Reply(int(fault), b'{"success":false}', wait="1")

    def _after(self, sort: str, reply: Reply) -> None:
        """Turn the response after the effect into a failure (500, cut, slow), if the weather wants one."""
        if self.rng.random() >= self.weather[sort]:
            return
        fault = self.rng.choice(("500 after", "cut after", "slow"))
        self.book.counts[f"{sort}: {fault}"] += 1
        if fault == "500 after":
            reply.status, reply.body = 500, b'{"success":false}'
        elif fault == "cut after":
            reply.status = 0
        else:
            reply.delay = self.rng.uniform(0.5, 3.0)

    def _soak(self, question: str, query: Query, body: bytes) -> Reply:
        if question == "make":
            for name, count in json.loads(body).items():
                self.sources[name].make(count)
        if question == "missing":
            older, most = float(query["older"][0]), int(query["most"][0])
            return _json({name: list(islice(s.missing(older), most)) for name, s in self.sources.items()})
        if question == "there":
            bad = self.book.duplicates + len(self.book.wrong) + len(self.book.extra)
            return _json({"there": {name: s.there for name, s in self.sources.items()}, "bad": bad})
        return _json(self.book.state())


if __name__ == "__main__":
    serve(Systems(json.loads(sys.argv[1])).answer)
