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
from bisect import bisect_left
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from soak import bodies
from soak.book import Book
from soak.server import Reply, serve

if TYPE_CHECKING:
    from soak.book import Source

#: Seconds for which a late change already has its id but is not visible.
_HIDDEN = 1.0
#: The calls of a shop in any second that are within its limit: 10, and some that arrive late on a busy machine.
_CALLS = 13
#: The same for the target "crm", which permits 40: a change takes two calls, and behind a limit of 10 the changes would
#: take longer than everything else together.
_CALLS_OF_CRM = 46
#: How many orders are named that are not in the target as in the source.
_NAMED = 1000
Query = dict[str, list[str]]


def _local(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"


def _json(body: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(body).encode())


def _settings() -> Reply:
    """Return the settings of an account of RetailCRM."""
    return _json({"success": True, "settings": {"timezone": {"value": "UTC"}}})


class Shop:
    """The part of RetailCRM's API, version 5, that reads orders."""

    def __init__(self, source: Source, book: Book) -> None:
        self.source, self.book = source, book

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
        source, at = self.source, number - 1
        status = "cancel-other" if source.cancelled[at] else "new"
        order = bodies.shop_order(source.name, number, _local(source.made[at]), source.version[at], status)
        return bodies.hostile(order, number) if self.book.fate(source.name, number).what == "hostile" else order

    def _history(self, query: Query) -> Reply:
        made, of, now, limit = self.source.changed_at, self.source.changed, time.time(), int(query["limit"][0])
        newest = self.source.made
        if since := query.get("filter[sinceId]"):
            begin = int(since[0])
        else:
            start = datetime.strptime(query["filter[startDate]"][0], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
            begin = bisect_left(made, start.timestamp())
        page = int(query.get("page", ["1"])[0])
        total = max(0, len(made) - begin)
        first = begin + (page - 1) * limit + 1
        rows = [
            {
                "id": n,
                "createdAt": _local(made[n - 1]),
                **({"created": True} if newest[of[n - 1] - 1] == made[n - 1] else {"field": "items"}),
                "source": "user",
                "order": {"id": of[n - 1]},
            }
            for n in range(first, min(first + limit, len(made) + 1))
            if n % bodies.LATE or made[n - 1] + _HIDDEN < now
        ]
        pages = {"limit": limit, "totalCount": total, "currentPage": page, "totalPageCount": -(-total // limit)}
        return _json({"success": True, "generatedAt": _local(now), "history": rows, "pagination": pages})


class Depot:
    """Dropday's API with duplicate handling off: an order sent twice is created twice."""

    def __init__(self, name: str, book: Book) -> None:
        self.name, self.book = name, book

    def answer(self, method: str, path: str, query: Query, body: bytes) -> Reply:
        if method == "POST":
            given = json.loads(body)
            made = self.book.create(
                self.name, given["external_id"], bodies.in_depot(given), total=bodies.depot_total(given)
            )
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
            if path.endswith("/edit"):
                return self._edit(
                    unquote(path.split("/")[-2]), given.get("by", "externalId"), json.loads(given["order"])
                )
            return self._upload(json.loads(given["orders"])) if "orders" in given else self._create(given["order"])
        if path == "/api/v5/settings":
            return _settings()
        if path == "/api/v5/orders":
            ids = query.get("filter[externalIds][]", [])
            return _json({"success": True, "orders": [order for name in ids if (order := self._there(name))]})
        if order := self._there(unquote(path.rpartition("/")[2])):
            return _json({"success": True, "order": order})
        return _json({"success": False, "errorMsg": "Not found"}, 404)

    def _edit(self, uid: str, by: str, changes: dict[str, Any]) -> Reply:
        """Edit an order: posted fields and lists replace old ones, a line that is named by its id keeps its fields."""
        if by != "externalId" or uid not in self.book.held:
            return _json({"success": False, "errorMsg": "Not found"}, 404)
        body = self.book.held[uid].body
        old = {item["id"]: item for item in body["items"]}
        if "items" in changes:
            changes["items"] = _numbered([{**old.get(item.get("id"), {}), **item} for item in changes["items"]])
        body |= changes
        self.book.edited(uid)
        return _json({"success": True, "id": self.book.holds(self.name, uid)})

    def _there(self, reference: str) -> dict[str, Any] | None:
        """Return an order; where no body is kept, it is recognized by the time of creation that was sent."""
        place, made = self.book.place(reference), self.book.holds(self.name, reference)
        if place is None or not made:
            return None
        source, at = place
        held = self.book.held.get(reference)
        body = {} if held is None else held.body
        return {**body, "id": made, "externalId": reference, "createdAt": _local(source.made[at])}

    def _take(self, order: dict[str, Any]) -> int:
        """Create an order and return its id, or 0 if it exists already."""
        if self.book.holds(self.name, order["externalId"]):
            self.book.counts["duplicates refused by crm"] += 1
            return 0
        order["items"] = _numbered(order["items"])
        self.book.keep(order["externalId"], order)
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


def _numbered(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the lines of an order, each with an id."""
    last = max((item["id"] for item in items if "id" in item), default=0)
    return [item if "id" in item else {**item, "id": last + n} for n, item in enumerate(items, 1)]


class Systems:
    """All systems behind one port; the first part of the path selects the system."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.book = Book(plan["sources"], plan["polled"], plan["seed"], Path(plan["home"]))
        self.sources = self.book.sources
        self.shops = {name: Shop(source, self.book) for name, source in self.sources.items()}
        for name, calls in {**dict.fromkeys(self.shops, _CALLS), "crm": _CALLS_OF_CRM}.items():
            self.book.journal.write({"kind": "limit", "system": name, "calls": calls, "window": 1.0})
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
        self.book.catch_up()
        if system == "soak":
            return self._soak(rest, query, body)
        if system != "depot":
            self.book.journal.write({"kind": "request", "system": system, "address": "", "arrived": time.monotonic()})
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
                self.book.make(name, count)
        if question == "missing":
            older, most = float(query["older"][0]), int(query["most"][0])
            return _json({name: list(islice(s.missing(older), most)) for name, s in self.sources.items()})
        return _json(
            {
                "made": {name: len(source.made) for name, source in self.sources.items()},
                "there": {name: source.there for name, source in self.sources.items()},
                "open": len(self.book.open) + len(self.book.due),
                "some": [f"{name}:{number}" for name, number in islice(self.book.open, _NAMED)],
                "bad": self.book.duplicates + self.book.extra,
                "counts": dict(self.book.counts),
            }
        )


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    serve(Systems(given).answer, given["port"])
