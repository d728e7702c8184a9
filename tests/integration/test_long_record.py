"""An order that takes more answers than a task has time for is read in steps; here each call takes four seconds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest

import tasks.deliver
import tasks.fetch
import tasks.poll
from support.fake_runtime import FakeRuntime, Warehouse
from support.gates import Slow
from support.http_server import Request, reply
from worker.errors import OutOfTime
from worker.http.client import Client
from worker.http.task_time import time_for_calls
from worker.jsontext.fragments import Fragment
from worker.systems.ordercloud.provider import OrderCloud, OrderCloudOptions
from worker.systems.steps import Gathered, Steps, continued

if TYPE_CHECKING:
    from redis import Redis

    from support.http_calls import Serve

#: Seconds that a task has for its calls: six of them begin.
TIME = 21.0
#: Pages of lines, of which each needs a call.
PAGES: Final = 14
MANY: Final = 30
NOT_FOUND = reply(404, json.dumps({"Errors": [{"ErrorCode": "NotFound", "Message": "", "Data": {}}]}).encode())


class Api:
    """An OrderCloud with one order of many lines."""

    def __init__(self) -> None:
        self.quantity, self.changed = 1, "2026-11-30T10:00:00.000Z"
        #: Called before each page of lines, with its number.
        self.before_page: Any = lambda _: None

    def answer(self, request: Request) -> bytes:
        parts = urlsplit(request.target)
        match parts.path.rpartition("/")[2]:
            case "token":
                return self._json({"access_token": "a.b.c", "expires_in": 3600, "token_type": "bearer"})
            case "worksheet":
                return NOT_FOUND
            case "BIG":
                return self._json(self._order())
            case "lineitems":
                return self._lines(int(parse_qs(parts.query)["page"][0]))
        return self._json(
            {"Meta": {"Page": 1, "PageSize": 20, "TotalCount": 1, "TotalPages": 1}, "Items": [self._order()]}
        )

    @staticmethod
    def _json(value: object) -> bytes:
        return reply(body=json.dumps(value).encode())

    def _order(self) -> dict[str, Any]:
        dates = {"DateCreated": self.changed, "DateSubmitted": self.changed, "LastUpdated": self.changed}
        return {
            "ID": "BIG",
            "Status": "Open",
            "Currency": "EUR",
            "IsSubmitted": True,
            "LineItemCount": PAGES * 100,
            "Subtotal": PAGES * 100.0,
            "Total": PAGES * 100.0,
            "FromUser": {"ID": "buyer"},
            **dates,
        }

    def _lines(self, page: int) -> bytes:
        self.before_page(page)
        line = {"ProductID": "MUG", "Quantity": self.quantity, "UnitPrice": 1.25, "Product": {"Name": "Mug"}}
        items = [{"ID": f"L{page}-{n}", **line} for n in range(100)] if page <= PAGES else []
        meta = {"Page": page, "PageSize": 100, "TotalCount": PAGES * 100, "TotalPages": PAGES}
        return self._json({"Meta": meta, "Items": items})


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Slow:
    gate = Slow()
    monkeypatch.setattr("worker.http.task_time.monotonic", lambda: gate.now)
    return gate


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def rt(redis: Redis, serve: Serve, gate: Slow, api: Api) -> FakeRuntime[OrderCloud]:
    options = OrderCloudOptions.model_validate({"client_id": "c", "client_secret": "s", "lines": "lineitems"})
    shop = OrderCloud("shop", options, Client(serve(api.answer).url, gate=gate, headers={}))
    return FakeRuntime(redis, shop, Warehouse())


def fetch(rt: FakeRuntime[OrderCloud]) -> int:
    """Fetch the hinted order in tasks, each with its time; return how many."""
    for number in range(1, MANY):
        rt.redis.zadd("intake:fetch:shop", {"BIG": 0}, xx=True)  # it is due again
        with time_for_calls(TIME):
            tasks.fetch.fetch(rt, "shop", rt.nudge)
        if not rt.redis.zcard("intake:fetch:shop"):
            return number
    raise AssertionError("it does not end")


def lines(rt: FakeRuntime[OrderCloud]) -> list[int]:
    """Return the quantities of the lines of the order that was sent."""
    tasks.deliver.deliver(rt, "t", rt.nudge, idle=0.1)
    ((_, sent),) = rt.warehouse.created
    return [int(line.quantity) for line in sent.lines]


def test_the_lines_of_an_order_are_read_in_steps(rt: FakeRuntime[OrderCloud], gate: Slow) -> None:
    rt.fetches.add("shop", ["BIG"])
    taken = fetch(rt)
    assert taken > 2
    assert gate.calls <= PAGES + 1 + 3 * taken, "no page is read twice"
    assert not rt.redis.exists("intake:fetch:shop:places", "intake:fetch:shop:tries")
    assert rt.cursors.letters("shop") == {}
    assert lines(rt) == [1] * PAGES * 100


def test_an_order_that_changes_between_two_steps_is_read_anew(rt: FakeRuntime[OrderCloud], api: Api) -> None:
    def change(page: int) -> None:
        if page == 4:
            api.quantity, api.changed, api.before_page = 2, "2026-11-30T10:05:00.000Z", lambda _: None

    api.before_page = change
    rt.fetches.add("shop", ["BIG"])
    fetch(rt)
    assert lines(rt) == [2] * PAGES * 100


def test_a_page_of_the_list_is_not_tried_again_for_one_long_order(rt: FakeRuntime[OrderCloud]) -> None:
    with time_for_calls(TIME):
        tasks.poll.poll(rt, "shop", rt.nudge)
    assert rt.fetches.count_waiting("shop") == 1
    assert "failures" not in rt.cursors.status("shop")
    fetch(rt)
    assert lines(rt) == [1] * PAGES * 100


def noted(items: dict[str, dict[str, Any]]) -> str:
    with continued(steps := Steps()):
        gathered = Gathered()
        gathered.of("1")
        gathered.keep("lines", items, 3, more=True)
        gathered.note()
    return steps.place


def test_what_was_gathered_counts_for_the_same_state_only() -> None:
    gathered = Gathered(noted({"a": {"Price": 1}}))
    gathered.of("1")
    assert (gathered.items("lines"), gathered.began) == (({"a": {"Price": 1}}, 3, True), True)
    gathered.of("2")
    assert (gathered.items("lines"), gathered.began) == (({}, 0, True), False)


@pytest.mark.parametrize("place", ["", "no base 64", "AAAA", "eJxLTC4BAAJNASc="])
def test_a_place_that_is_none_begins_anew(place: str) -> None:
    assert Gathered(place).items("lines") == ({}, 0, True)


def test_what_is_broken_or_too_large_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert noted({"a": Fragment({}, "no JSON")}) == ""
    monkeypatch.setattr("worker.systems.steps._LARGEST", 10)
    assert noted({"a": {}}) == ""


def test_an_order_that_makes_no_step_becomes_a_dead_letter(
    rt: FakeRuntime[OrderCloud], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let no page of lines come in time."""

    def fail(*_: object) -> Any:
        raise OutOfTime("the time of the task is over")

    monkeypatch.setattr(rt.shop, "_rows_of", fail)
    rt.fetches.add("shop", ["BIG"])
    for _ in range(tasks.fetch.SHOWN):
        rt.redis.zadd("intake:fetch:shop", {"BIG": 0}, xx=True)
        with time_for_calls(TIME):
            tasks.fetch.fetch(rt, "shop", rt.nudge)
    assert list(rt.cursors.letters("shop")) == ["BIG"]
