"""An order that OrderCloud lists and never returns becomes a dead letter, and the feed continues."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

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
        #: What the account returns for a broken order.
        self.failure = reply(500)
        #: Further rows of the list.
        self.more: list[Any] = []

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
            return self.failure if order_id in self.broken else reply(body=json.dumps(sheet).encode())
        rows = sorted(map(self._row, self.changed), key=lambda row: row["LastUpdated"])
        if "%21LastUpdated" in request.target:
            rows = rows[::-1]
        meta = {"Page": 1, "PageSize": 20, "TotalCount": len(rows), "TotalPages": 1}
        return reply(body=json.dumps({"Meta": meta, "Items": [*self.more, *rows]}).encode())


FAILURES = {
    "500": reply(500),
    "not JSON": reply(body=b'{"Order": {"ID": "b"}, "LineItems": [{"ProductID": "caf\xe9"}]}'),
    "cut off": reply(body=b'{"Order": {"ID": "b"'),
    "a page of a proxy": reply(404, body=b"<html>not here</html>"),
    "forbidden": reply(403),
    "bad request": reply(400),
    "not an object": reply(body=b"[]"),
    "an order that is no object": reply(body=b'{"Order": 7, "LineItems": []}'),
}


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


def fetch_again(rt: FakeRuntime[OrderCloud], times: int) -> None:
    """Fetch what is deferred, as often as the waiting in between allows."""
    for _ in range(times):
        for external_id in cast("list[str]", rt.redis.zrange("intake:fetch:shop", 0, -1)):
            rt.redis.zadd("intake:fetch:shop", {external_id: 0})
        tasks.fetch.fetch(rt, "shop", rt.nudge)


def test_a_listed_order_that_cannot_be_read_becomes_a_dead_letter_and_is_read_when_it_is_available(
    redis: Redis, serve: Serve, make: Make
) -> None:
    cloud = Cloud("a", "b", "c")
    cloud.broken = {"b"}
    server = serve(cloud)
    rt = open_runtime(redis, make, server.url)
    poll(rt)
    assert in_ledger(rt, "a", "b", "c") == [True, False, True]
    assert rt.cursors.letters("shop") == {}
    assert "error" not in rt.cursors.status("shop")
    assert ("fetch", "shop") in rt.nudged
    fetch_again(rt, tasks.fetch.SHOWN)
    (letter,) = rt.cursors.letters("shop").items()
    assert letter[0] == "b"
    assert "status 500" in letter[1]["reason"]
    cloud.changed["d"] = "2026-01-02T00:00:30.000Z"
    requests_before = sum("b/worksheet" in request.target for request in server.requests)
    poll(rt)
    assert in_ledger(rt, "b", "d") == [False, True]
    assert sum("b/worksheet" in request.target for request in server.requests) == requests_before
    cloud.broken = set()
    fetch_again(rt, 1)
    assert in_ledger(rt, "b") == [True]
    assert rt.cursors.letters("shop") == {}


@pytest.mark.parametrize("failure", FAILURES)
def test_no_failure_of_some_orders_stands_in_the_way_of_the_others(
    redis: Redis, serve: Serve, make: Make, failure: str
) -> None:
    cloud = Cloud("a", "b", "c", "d", "e", "f")
    cloud.failure, cloud.broken = FAILURES[failure], {"b", "c", "d", "e"}
    rt = open_runtime(redis, make, serve(cloud).url)
    poll(rt)
    assert in_ledger(rt, *cloud.changed) == [True, False, False, False, False, True]
    assert "paused" not in rt.cursors.status("shop")
    fetch_again(rt, tasks.fetch.SHOWN)
    assert set(rt.cursors.letters("shop")) == cloud.broken
    fetch_again(rt, tasks.fetch.GIVE_UP)
    assert rt.fetches.count_waiting("shop") == 0
    assert "paused" not in rt.cursors.status("shop")
    assert set(rt.cursors.letters("shop")) == cloud.broken


@pytest.mark.parametrize(
    "row", [None, 7, "x", [], {}, {"ID": None}, {"ID": {}}, {"LastUpdated": "2026-01-02T00:00:00Z"}]
)
def test_a_row_without_an_id_is_a_dead_letter(redis: Redis, serve: Serve, make: Make, row: Any) -> None:
    cloud = Cloud("a", "b")
    cloud.more = [row]
    rt = open_runtime(redis, make, serve(cloud).url)
    poll(rt)
    assert in_ledger(rt, "a", "b") == [True, True]
    assert len(rt.cursors.letters("shop")) == 1


def test_a_listed_order_that_could_not_be_read_is_read_when_it_changes(redis: Redis, serve: Serve, make: Make) -> None:
    cloud = Cloud("a", "b")
    cloud.broken = {"b"}
    rt = open_runtime(redis, make, serve(cloud).url)
    poll(rt)
    fetch_again(rt, tasks.fetch.SHOWN)
    cloud.broken, cloud.changed["b"] = set(), "2026-01-02T00:00:40.000Z"
    poll(rt)
    assert in_ledger(rt, "b") == [True]
    assert rt.cursors.letters("shop") == {}


def test_a_poll_waits_for_an_account_that_returns_no_order_at_all(
    redis: Redis, serve: Serve, make: Make, patient: None
) -> None:
    cloud = Cloud("a", "b", "c", "d")
    cloud.broken = set(cloud.changed)
    rt = open_runtime(redis, make, serve(cloud).url)
    poll(rt, tasks.poll.TRIES - 1)
    assert rt.cursors.letters("shop") == {}
    assert rt.fetches.count_waiting("shop") == 0
    assert rt.cursors.status("shop")["error"].startswith("unavailable")
    cloud.broken = set()
    poll(rt)
    assert in_ledger(rt, *cloud.changed) == [True] * 4


def test_a_poll_goes_on_after_orders_of_which_none_can_ever_be_read(
    redis: Redis, serve: Serve, make: Make, patient: None
) -> None:
    cloud = Cloud("a", "b", "c", "d")
    cloud.broken = set(cloud.changed)
    rt = open_runtime(redis, make, serve(cloud).url)
    poll(rt, tasks.poll.TRIES)
    assert rt.fetches.count_waiting("shop") == 4
    cloud.changed["e"] = "2026-01-02T00:00:30.000Z"
    poll(rt)
    assert in_ledger(rt, "e") == [True]


def test_failures_at_one_page_do_not_count_for_the_next(redis: Redis, serve: Serve, make: Make, patient: None) -> None:
    cloud = Cloud("a", "b", "c")
    rt = open_runtime(redis, make, serve(cloud).url)
    for number in range(2):
        cloud.broken = set(cloud.changed)
        poll(rt, tasks.poll.TRIES - 1)
        cloud.broken = set()
        poll(rt)
        assert all(in_ledger(rt, *cloud.changed))
        cloud.changed |= {f"{number}{n}": f"2026-01-02T00:01:{number}{n}.000Z" for n in range(3)}
    assert rt.fetches.count_waiting("shop") == 0
