"""An order that OrderCloud lists and never returns becomes a dead letter, and the feed continues."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import tasks.fetch
import tasks.poll
from support.fake_runtime import FakeRuntime
from support.http_server import Request, reply
from worker.systems.ordercloud.provider import OrderCloud, OrderCloudOptions

if TYPE_CHECKING:
    from redis import Redis

    from support.http_calls import Make, Serve


class Cloud:
    """An OrderCloud account: it lists all orders, but cannot return the `broken` ones."""

    def __init__(self, *ids: str) -> None:
        self.changed = {order_id: f"2026-01-02T00:00:{n:02}.000Z" for n, order_id in enumerate(ids)}
        self.broken: set[str] = set()

    def _row(self, order_id: str) -> dict[str, Any]:
        row = {"ID": order_id, "LastUpdated": self.changed[order_id], "IsSubmitted": True, "LineItemCount": 1}
        return row | {"DateSubmitted": "2026-01-02T00:00:00Z", "Status": "Open", "Currency": "EUR", "Total": 1}

    def __call__(self, request: Request) -> bytes:
        if request.method == "POST":
            return reply(body=b'{"access_token": "t-1"}')
        if request.target.endswith("/worksheet"):
            order_id = request.target.split("/")[-2]
            line = {"ID": "1", "ProductID": "mug", "Quantity": 1, "UnitPrice": 1, "LineTotal": 1}
            sheet = {"Order": self._row(order_id), "LineItems": [line]}
            return reply(500) if order_id in self.broken else reply(body=json.dumps(sheet).encode())
        rows = sorted(map(self._row, self.changed), key=lambda row: row["LastUpdated"])
        if "%21LastUpdated" in request.target:
            rows = rows[::-1]
        meta = {"Page": 1, "PageSize": 20, "TotalCount": len(rows), "TotalPages": 1}
        return reply(body=json.dumps({"Meta": meta, "Items": rows}).encode())


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.outcomes.backoff", lambda _: 0.0)


def open_runtime(redis: Redis, make: Make, url: str) -> FakeRuntime[OrderCloud]:
    settings = {"client_id": "c", "client_secret": "s"}
    return FakeRuntime(redis, OrderCloud("shop", OrderCloudOptions.model_validate(settings), make(url)))


def poll(rt: FakeRuntime[OrderCloud], times: int = 1) -> None:
    for _ in range(times):
        tasks.poll.poll(rt, "shop", rt.nudge)


def in_ledger(rt: FakeRuntime[OrderCloud], *ids: str) -> list[bool]:
    return [bool(rt.ledger.entries(["t"], f"shop:{order_id}")) for order_id in ids]


def test_a_listed_order_that_cannot_be_read_becomes_a_dead_letter_and_is_read_when_it_is_available(
    redis: Redis, serve: Serve, make: Make, patient: None
) -> None:
    cloud = Cloud("a", "b", "c")
    cloud.broken = {"b"}
    server = serve(cloud)
    rt = open_runtime(redis, make, server.url)
    poll(rt, tasks.poll.TRIES - 1)
    assert in_ledger(rt, "a", "b", "c") == [False] * 3
    assert rt.cursors.letters("shop") == {}
    assert rt.cursors.status("shop")["error"].startswith("unavailable")
    poll(rt)
    assert in_ledger(rt, "a", "b", "c") == [True, False, True]
    (letter,) = rt.cursors.letters("shop").items()
    assert letter[0] == "b"
    assert "status 500" in letter[1]["reason"]
    assert json.loads(letter[1]["raw"])["ID"] == "b"
    assert "error" not in rt.cursors.status("shop")
    cloud.changed["d"] = "2026-01-02T00:00:30.000Z"
    requests_before = sum("b/worksheet" in request.target for request in server.requests)
    poll(rt)
    assert in_ledger(rt, "b", "d") == [False, True]
    assert sum("b/worksheet" in request.target for request in server.requests) == requests_before
    # The same as `intake dead replay`.
    cloud.broken = set()
    rt.fetches.add("shop", ["b"])
    tasks.fetch.fetch(rt, "shop", rt.nudge)
    assert in_ledger(rt, "b") == [True]
    assert rt.cursors.letters("shop") == {}


def test_a_listed_order_that_could_not_be_read_is_read_when_it_changes(
    redis: Redis, serve: Serve, make: Make, patient: None
) -> None:
    cloud = Cloud("a", "b")
    cloud.broken = {"b"}
    rt = open_runtime(redis, make, serve(cloud).url)
    poll(rt, tasks.poll.TRIES)
    cloud.broken, cloud.changed["b"] = set(), "2026-01-02T00:00:40.000Z"
    poll(rt)
    assert in_ledger(rt, "b") == [True]
    assert rt.cursors.letters("shop") == {}


def test_an_order_that_becomes_readable_in_time_is_no_dead_letter(
    redis: Redis, serve: Serve, make: Make, patient: None
) -> None:
    cloud = Cloud("a", "b")
    rt = open_runtime(redis, make, serve(cloud).url)
    for number in range(3):
        cloud.changed[f"n{number}"] = f"2026-01-02T00:01:{number:02}.000Z"
        cloud.broken = {f"n{number}"}
        poll(rt, tasks.poll.TRIES - 1)
        cloud.broken = set()
        poll(rt)
    assert in_ledger(rt, "a", "b", "n0", "n1", "n2") == [True] * 5
    assert rt.cursors.letters("shop") == {}


def test_a_poll_waits_for_an_account_that_returns_no_order_at_all(
    redis: Redis, serve: Serve, make: Make, patient: None
) -> None:
    cloud = Cloud("a", "b", "c", "d")
    cloud.broken = set(cloud.changed)
    rt = open_runtime(redis, make, serve(cloud).url)
    poll(rt, tasks.poll.TRIES + 2)
    assert rt.cursors.letters("shop") == {}
    cloud.broken = set()
    poll(rt)
    assert in_ledger(rt, *cloud.changed) == [True] * 4
