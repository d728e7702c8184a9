"""A page that one record makes unreadable is read in smaller pages, and that record alone is a dead letter."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests

import tasks.poll
from support.fake_runtime import FakeRuntime
from support.http_server import Request, reply
from support.sandbox import Sandbox
from worker.systems.paging import PagePosition
from worker.systems.providers import provider_kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis import Redis

    from support.http_calls import Make, Serve

ORDERS: Final = 11
#: A page of all orders is below the limit, one with a `large` record above it.
LIMIT: Final = 400_000
LONG_AGO: Final = datetime.now(UTC) - timedelta(days=2)
#: Of each kind: the settings, the key of the list, and the path of the list.
KINDS: Final[dict[str, tuple[dict[str, Any], str, str]]] = {
    "dropday": ({"api_key": Sandbox.KEY, "account_id": Sandbox.ACCOUNT_ID, "page_size": 6}, "data", "/api/v1/orders"),
    "dropboy": ({"api_key": Sandbox.KEY, "take": 6}, "result", "/public/orders"),
    "dropstream": ({"user": "sandbox-user", "password": Sandbox.KEY, "page_size": 6}, "orders", "/orders"),
    "ordercloud": (
        {"client_id": Sandbox.ACCOUNT_ID, "client_secret": Sandbox.KEY, "page_size": 6},
        "Items",
        "/v1/orders/Incoming",
    ),
}


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    accounts = [f"{kind}:main:orders={ORDERS}:spread=86400" for kind in KINDS]
    with Sandbox(systems=",".join(KINDS), accounts=accounts) as running:
        yield running


def large(rows: list[dict[str, Any]], at: int) -> bytes:
    """Return the list with a record that is too large; its id comes first."""
    return json.dumps([{**row, "padding": "x" * LIMIT} if n == at else row for n, row in enumerate(rows)]).encode()


def large_without_id(rows: list[dict[str, Any]], at: int) -> bytes:
    """Return the list with a record that is too large; its id cannot be seen in its beginning."""
    return json.dumps([{"padding": "x" * LIMIT, **row} if n == at else row for n, row in enumerate(rows)]).encode()


def broken_off(rows: list[dict[str, Any]], at: int) -> bytes:
    """Return the list up to the middle of a record, as a server whose encoder fails there; its id comes first."""
    own = {name: rows[at][name] for name in ("id", "reference", "ID") if name in rows[at]}
    whole = json.dumps(own | rows[at])
    return json.dumps(rows[:at])[:-1].encode() + (b", " if at else b"") + whole[: len(whole) * 4 // 5].encode()


class Spoiling:
    """The simulator, with some records of its lists spoiled."""

    def __init__(self, box: Sandbox, kind: str) -> None:
        self._url, (self._settings, self._key, self._path) = box.url(kind), KINDS[kind]
        self._kind, self._base = provider_kinds()[kind], f"/{kind}/main"
        self.spoil: Callable[[list[dict[str, Any]], int], bytes] = broken_off
        self.bad: set[str] = set()
        #: How many answers may still be spoiled.
        self.times = 10**6
        self.lists = 0

    def __call__(self, request: Request) -> bytes:
        headers = {name: value for name, value in request.headers.items() if name != "accept-encoding"}
        answer = requests.request(
            request.method, self._url + request.target, headers=headers, data=request.body, timeout=20
        )
        body = answer.content
        if request.target.partition("?")[0] == self._path and answer.ok:
            self.lists += 1
            body = self._spoiled(body)
        return reply(answer.status_code, body, content_type="application/json", date=answer.headers.get("Date", ""))

    def _spoiled(self, body: bytes) -> bytes:
        document = json.loads(body)
        rows = document[self._key]
        at = next((n for n, row in enumerate(rows) if str(row[self._kind.id_field]) in self.bad), None)
        if at is None or self.times <= 0:
            return body
        self.times -= 1
        head = b'{"%s": ' % self._key.encode()
        spoiled = self.spoil(rows, at)
        if not spoiled.endswith(b"]"):
            return head + spoiled
        del document[self._key]
        return head + spoiled + b", " + json.dumps(document)[1:].encode()

    def runtime(self, redis: Redis, make: Make, url: str) -> FakeRuntime[Any]:
        options = self._kind.Options.model_validate(self._settings)
        rt: FakeRuntime[Any] = FakeRuntime(redis, self._kind("shop", options, make(url, max_bytes=LIMIT)))
        rt.redis.hset("intake:cursor:shop", "value", rt.shop.start(LONG_AGO))
        return rt

    def ids(self, rt: FakeRuntime[Any]) -> list[str]:
        """Return the ids of all orders, in the order of the list."""
        cursor, ids, more = rt.shop.start(LONG_AGO), dict[str, None](), True
        while more:
            page = rt.shop.fetch(cursor)
            ids |= dict.fromkeys(str(record.raw[self._kind.id_field]) for record in page.records)
            cursor, more = page.cursor, page.more
        return list(ids)


def poll(rt: FakeRuntime[Any]) -> dict[str, str]:
    tasks.poll.poll(rt, "shop", rt.nudge, gap=-1)
    return dict(rt.cursors.status("shop"))


def accepted(rt: FakeRuntime[Any], ids: list[str]) -> set[str]:
    return {number for number in ids if rt.ledger.entries(["t"], f"shop:{number}")}


#: The places of the spoiled records in the list.
BAD: Final = {
    "first": [0],
    "last": [ORDERS - 1],
    "middle": [4],
    "neighbours across pages": [5, 6, 7],
    "all": list(range(ORDERS)),
}


#: The combinations of a quick run; all others are run by `make prove`.
QUICK: Final = {
    ("first", broken_off),
    ("last", large),
    ("all", broken_off),
    ("neighbours across pages", large_without_id),
}
COMBINATIONS: Final = [
    pytest.param(bad, spoil, marks=[] if (bad, spoil) in QUICK else pytest.mark.repeat, id=f"{bad}-{spoil.__name__}")
    for bad in BAD
    for spoil in (large, large_without_id, broken_off)
]


@pytest.mark.parametrize(("bad", "spoil"), COMBINATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_read_even_alone_is_a_dead_letter_and_the_others_are_accepted(  # noqa: PLR0913, PLR0917
    redis: Redis, serve: Serve, make: Make, box: Sandbox, kind: str, bad: str, spoil: Any
) -> None:
    system = Spoiling(box, kind)
    rt = system.runtime(redis, make, serve(system).url)
    ids, start = system.ids(rt), rt.cursors.status("shop")["value"]
    assert len(ids) == ORDERS
    system.spoil, system.bad = spoil, {ids[place] for place in BAD[bad]}
    status = poll(rt)
    assert "error" not in status
    # An order of OrderCloud is read by its id, whatever the list shows.
    dead = set() if kind == "ordercloud" and spoil is not large_without_id else system.bad
    assert accepted(rt, ids) == set(ids) - dead
    letters = rt.cursors.letters("shop")
    assert len(letters) == len(dead) if spoil is not large_without_id else letters or not dead
    assert set(letters) == dead if spoil is not large_without_id else all(key.startswith("sha-") for key in letters)
    assert all("of the list cannot be read, even alone" in letter["reason"] for letter in letters.values())
    assert "finished" in status
    # What can be read at last has no dead letter any more.
    system.bad = set()
    rt.redis.hset("intake:cursor:shop", "value", start)
    assert "error" not in poll(rt)
    assert accepted(rt, ids) == set(ids)
    assert set(rt.cursors.letters("shop")) & set(ids) == set()


@pytest.mark.parametrize("times", [1, pytest.param(2, marks=pytest.mark.repeat), 3])
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_that_can_be_read_at_another_try_has_no_dead_letter(  # noqa: PLR0913, PLR0917
    redis: Redis, serve: Serve, make: Make, box: Sandbox, kind: str, times: int
) -> None:
    system = Spoiling(box, kind)
    rt = system.runtime(redis, make, serve(system).url)
    ids = system.ids(rt)
    system.bad, system.times = {ids[3]}, times
    assert "error" not in poll(rt)
    assert accepted(rt, ids) == set(ids)
    assert rt.cursors.letters("shop") == {}


@pytest.mark.parametrize(
    "answer",
    [
        reply(body=b"<html>away</html>", content_type="text/html"),
        reply(body=b"<html>" + b"x" * LIMIT, content_type="text/html"),
        reply(404, b"<html>not here</html>", content_type="text/html"),
        reply(body=b'{"half": [{"id": '),
    ],
    ids=["page", "large page", "404", "broken off"],
)
@pytest.mark.parametrize("kind", KINDS)
def test_what_all_answers_have_in_common_is_the_fault_of_the_account(  # noqa: PLR0913, PLR0917
    redis: Redis, serve: Serve, make: Make, box: Sandbox, kind: str, answer: bytes
) -> None:
    system, broken = Spoiling(box, kind), [True]

    def respond(request: Request) -> bytes:
        is_list = request.target.partition("?")[0] == KINDS[kind][2]
        return answer if broken and is_list else system(request)

    rt = system.runtime(redis, make, serve(respond).url)
    start = rt.cursors.status("shop")["value"]
    for _ in range(2):
        rt.redis.hdel("intake:cursor:shop", "paused")
        status = poll(rt)
        assert "error" in status or "paused" in status
        assert status["value"] == start
    assert rt.cursors.letters("shop") == {}
    assert accepted(rt, []) == set()


@pytest.mark.parametrize("usual", [1, 2, 6, 7, 64, 97, 100, 1000])
def test_every_row_is_on_one_page_whatever_its_size(usual: int) -> None:
    for bad in ({0}, {usual - 1}, {usual, usual + 1, 2 * usual + 3}, {5 * usual}):
        position, read = PagePosition(), list[int]()
        while position.skip < 4 * usual:
            size = position.size(usual)
            assert (position.number(usual) - 1) * size == position.skip
            rows = range(position.skip, position.skip + size)
            if size > 1 and bad & set(rows):
                position = position.smaller(usual)
                assert position.size(usual) < size
                continue
            read += rows
            position = position.after(usual)
        assert read == list(range(len(read)))
    # After a change of the setting, pages of the new size begin where one of them can.
    assert PagePosition(skip=60).size(100) == 4
    assert PagePosition(skip=100).size(100) == 100
