"""Small servers of the five APIs, each with one list of records whose bytes the fuzzer chooses."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import parse_qs, urlsplit

from schemas import dropboy as dropboy_wire
from schemas import dropday_list, dropstream_order, ordercloud, retailcrm_order
from support.http_server import Request, reply
from worker.systems.providers import provider_kinds

if TYPE_CHECKING:
    from pydantic import BaseModel

    from fuzz.hostile import Hostile, Path

_FULL: Final = FilePath(__file__).parents[1] / "data" / "full"
#: Records on one page.
PAGE: Final = 100
_BEGAN: Final = datetime(2026, 1, 2, tzinfo=UTC)


@dataclass
class System(ABC):
    """One account. `served` are the numbers of the records that were sent so far."""

    records: list[Hostile]
    served: set[int]

    kind: ClassVar[str]
    model: ClassVar[type[BaseModel]]
    options: ClassVar[dict[str, Any]]
    id_path: ClassVar[Path] = ("id",)
    #: Pages overlap: some records are read twice.
    overlaps: ClassVar[bool] = False
    #: What is not spoiled, because it says that this is no order.
    kept: ClassVar[frozenset[Path]] = frozenset()

    @classmethod
    def full(cls) -> dict[str, Any]:
        """Return a record that names every field."""
        record: dict[str, Any] = json.loads((_FULL / f"{cls.kind}.json").read_text(encoding="utf-8"))
        return record

    @classmethod
    def id_of(cls, number: int) -> str | int:
        """Return the id of the record with this number."""
        return number

    @classmethod
    def provider(cls, client: Any) -> Any:
        """Return the real provider, which calls this account."""
        kind = provider_kinds()[cls.kind]
        return kind("shop", kind.Options.model_validate(cls.options), client)

    @abstractmethod
    def answer(self, path: str, query: dict[str, list[str]]) -> bytes:
        """Return the body of the response to a request."""

    def __call__(self, request: Request) -> bytes:
        url = urlsplit(request.target)
        return reply(body=self.answer(url.path, parse_qs(url.query)))

    def rows(self, start: int, stop: int) -> bytes:
        """Return the texts of these records, as the items of a list."""
        chosen = self.records[start:stop]
        self.served.update(record.number for record in chosen)
        return b", ".join(record.text for record in chosen)


class RetailCRM(System):
    kind, model = "retailcrm", retailcrm_order.Order
    options: ClassVar[dict[str, Any]] = {"api_key": "k", "time_zone": "Europe/Moscow", "currency": "RUB"}

    @classmethod
    def id_of(cls, number: int) -> str | int:
        return number + 1

    def __call__(self, request: Request) -> bytes:
        # This key may not read the reference data.
        return reply(403) if "/reference/" in request.target else super().__call__(request)

    def answer(self, path: str, query: dict[str, list[str]]) -> bytes:
        if path.endswith("/orders/history"):
            start = int(query.get("filter[sinceId]", ["0"])[0]) - self._first
            changes = [self._change(n) for n in range(max(0, start), len(self.records))][:PAGE]
            more = max(0, start) + PAGE < len(self.records)
            pages = {"currentPage": 1, "totalPageCount": 2 if more else 1}
            return json.dumps(
                {"success": True, "generatedAt": "2026-06-01 00:00:00", "history": changes, "pagination": pages}
            ).encode()
        wanted = [int(number) - self._first - 1 for number in query.get("filter[ids][]", [])]
        return b'{"success": true, "orders": [%s]}' % b", ".join(self.rows(n, n + 1) for n in sorted(wanted))

    @property
    def _first(self) -> int:
        return self.records[0].number

    def _change(self, place: int) -> dict[str, Any]:
        number = self.records[place].number
        order = {"id": self.id_of(number)}
        change = {"id": number + 1, "createdAt": "2026-01-02 03:04:05", "source": "user", "order": order}
        # One change of a hundred has a time that nobody can read.
        return change | ({"createdAt": "0000-00-00 00:00:00"} if number % 100 == 50 else {})


class Dropday(System):
    kind, model = "dropday", dropday_list.Order
    options: ClassVar[dict[str, Any]] = {"api_key": "k", "account_id": "a", "include_test": True}
    id_path: ClassVar[Path] = ("reference",)

    @classmethod
    def id_of(cls, number: int) -> str | int:
        return f"DD-{number}"

    def answer(self, path: str, query: dict[str, list[str]]) -> bytes:
        page, pages = int(query.get("page", ["1"])[0]), -(-len(self.records) // PAGE)
        ends = json.dumps({"last_page": pages, "total": len(self.records)})[1:].encode()
        return b'{"data": [%s], %s' % (self.rows((page - 1) * PAGE, page * PAGE), ends)


class DropStream(System):
    kind, model = "dropstream", dropstream_order.Order
    options: ClassVar[dict[str, Any]] = {"user": "u", "password": "p", "page_size": PAGE, "assume_quantity": "one"}
    page = 0

    def answer(self, path: str, query: dict[str, list[str]]) -> bytes:
        if path == "/auth/token":
            return b'{"access_token": "t"}'
        self.page = self.page + 1 if "session_id" in query else 1
        rest = json.dumps({"session_id": "s", "page": self.page, "limit": PAGE})[1:].encode()
        return b'{"orders": [%s], %s' % (self.rows((self.page - 1) * PAGE, self.page * PAGE), rest)


class OrderCloud(System):
    # An order that shows no time of its last change is read again.
    kind, model, overlaps = "ordercloud", ordercloud.Order, True
    kept: ClassVar[frozenset[Path]] = frozenset({("Order", "IsSubmitted")})
    options: ClassVar[dict[str, Any]] = {"client_id": "c", "client_secret": "s", "page_size": PAGE}
    id_path: ClassVar[Path] = ("Order", "ID")

    @classmethod
    def full(cls) -> dict[str, Any]:
        order = super().full()
        lines = order.pop("LineItems")
        return {"Order": order, "LineItems": lines}

    @classmethod
    def id_of(cls, number: int) -> str | int:
        return f"SO-{number}"

    def answer(self, path: str, query: dict[str, list[str]]) -> bytes:
        if path == "/oauth/token":
            return b'{"access_token": "t"}'
        if path.endswith("/worksheet"):
            place = int(path.split("/")[-2].removeprefix("SO-")) - self.records[0].number
            return self.rows(place, place + 1)
        if path.count("/") > 3:
            return b'{"Meta": {"Page": 1, "PageSize": 100, "TotalCount": 0}, "Items": []}'
        rows = [row for row in self._listed() if all(_matches(row, bound) for bound in query.get("LastUpdated", []))]
        if "!LastUpdated" in query.get("sortBy", []):
            rows.reverse()
        page, size = int(query["page"][0]), int(query["pageSize"][0])
        meta = {"Page": page, "PageSize": size, "TotalCount": len(rows)}
        return json.dumps({"Meta": meta, "Items": rows[(page - 1) * size : page * size]}).encode()

    def _listed(self) -> list[dict[str, Any]]:
        return [
            {
                "ID": self.id_of(record.number),
                "LastUpdated": (_BEGAN + timedelta(seconds=place)).isoformat(timespec="milliseconds"),
                "IsSubmitted": True,
            }
            for place, record in enumerate(self.records)
        ]


def _matches(row: dict[str, Any], bound: str) -> bool:
    changed = str(row["LastUpdated"])
    return changed >= bound[2:] if bound.startswith("!<") else changed < bound[1:]


class Dropboy(System):
    kind, model, overlaps = "dropboy", dropboy_wire.Order, True
    options: ClassVar[dict[str, Any]] = {"api_key": "k", "take": PAGE, "bare": "accept", "currency": "DKK"}

    @classmethod
    def id_of(cls, number: int) -> str | int:
        return f"{0x69570000 + number:08x}{number:016x}"

    def answer(self, path: str, query: dict[str, list[str]]) -> bytes:
        skip, take = int(query["skip"][0]), int(query["take"][0])
        return b'{"success": true, "result": [%s]}' % self.rows(skip, skip + take)


SYSTEMS: Final[dict[str, type[System]]] = {
    system.kind: system for system in (RetailCRM, Dropday, DropStream, OrderCloud, Dropboy)
}
