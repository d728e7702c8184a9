"""Redis forgets a write right after it has returned: the page, the job or the hint that led to it is read again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from redis.exceptions import DataError

import tasks.backfill
import tasks.fetch
import tasks.listen
import tasks.poll
from support.fake_runtime import FakeRuntime, Shop
from support.forgetting import forgotten
from worker.settings.routes import Route
from worker.store.redis import catalog
from worker.store.redis.receipts import Receipts
from worker.systems.provider import Page, Record, Unread

if TYPE_CHECKING:
    from redis import Redis

    from schemas.order import Order
    from worker.store.redis.catalog import Script

#: Two pages, each with an order, a record that cannot be read, one that no route creates and one that is missing.
PAGES: list[list[dict[str, Any]]] = [
    [{"id": "1"}, {"id": "2", "bad": 1}, {"id": "3", "store": "be"}],
    [{"id": "5"}, {"id": "6", "bad": 1}, {"id": "7", "store": "be"}],
]


class Gappy(Shop):
    """A shop that lacks one record of each page, and returns it alone."""

    def fetch(self, cursor: str) -> Page:
        page = super().fetch(cursor)
        if not page.records:
            return page
        missing = Record({"id": "4" if cursor == "0" else "8"})
        raise Unread("not on the page", page, [missing], account=False)

    def fetch_one(self, external_id: str) -> Record | None:
        return Record({"id": external_id})

    def normalize(self, record: Record) -> Order:
        return super().normalize(Record({"store": "nl", **record.raw}))


@pytest.fixture
def rt(redis: Redis) -> FakeRuntime:
    routes = (Route(source="shop", targets=("t",), only={"store": ["nl"]}),)
    return FakeRuntime(redis, Gappy(PAGES), lease=5.0, routes=routes)


def poll(rt: FakeRuntime) -> None:
    tasks.poll.poll(rt, "shop", rt.nudge)


def fetch(rt: FakeRuntime) -> None:
    tasks.fetch.fetch(rt, "shop", rt.nudge)


def ids(rt: FakeRuntime) -> set[str]:
    """Return the external ids of all orders that are accepted, to be fetched, left out, or dead letters."""
    known = {n for n in "12345678" if rt.ledger.entries(["t"], f"shop:{n}")}
    left_out = {n for n in "12345678" if rt.left_outs.find("shop", n)}
    waiting = {n for n in "12345678" if rt.fetches.find([("shop", n)])[0]}
    return known | left_out | waiting | {external_id for _, external_id in rt.cursors.letter_ids(["shop"])}


@pytest.mark.parametrize("skip", [0, 1], ids=["first page", "second page"])
@pytest.mark.parametrize(
    "script", [catalog.ACCEPT, catalog.BURY, catalog.SCHEDULE, catalog.LEAVE_OUT], ids=lambda script: script.name
)
def test_the_cursor_does_not_pass_what_redis_forgot(rt: FakeRuntime, redis: Redis, script: Script, skip: int) -> None:
    with forgotten(redis, script, skip=skip):
        poll(rt)
    assert rt.cursors.status("shop").get("value", "0") == str(skip)
    poll(rt)
    assert rt.cursors.status("shop")["value"] == "2"
    assert ids(rt) == set("12345678")


def test_a_page_is_accepted_for_every_target_or_read_again(redis: Redis) -> None:
    """The write for the first of two targets is forgotten: that for the second one proves nothing."""
    rt = FakeRuntime(redis, Shop([[{"id": "1"}]]), routes=(Route(source="shop", targets=("t", "u")),))
    rt.targets["u"] = rt.targets["t"]
    with forgotten(redis, catalog.ACCEPT):
        poll(rt)
    assert [entry.target for entry in rt.ledger.entries(["t", "u"], "shop:1")] == ["u"]
    assert "value" not in rt.cursors.status("shop")
    poll(rt)
    assert [entry.target for entry in rt.ledger.entries(["t", "u"], "shop:1")] == ["t", "u"]


def test_a_cursor_move_that_was_forgotten_is_not_built_upon(rt: FakeRuntime, redis: Redis) -> None:
    with forgotten(redis, catalog.ADVANCE):
        poll(rt)
    assert "value" not in rt.cursors.status("shop")
    poll(rt)
    assert ids(rt) == set("12345678")


def test_a_poll_leaves_no_receipt_behind_and_a_page_twice_read_needs_none(rt: FakeRuntime, redis: Redis) -> None:
    poll(rt)
    assert redis.keys("intake:receipts:*") == []
    with rt.cursors.poll("shop", -1) as run:
        assert not isinstance(run, str)
        run.advance("2", more=False, records=0)
        run.advance("2", more=False, records=0)


def test_a_repeated_cursor_move_still_finds_its_receipts(rt: FakeRuntime, redis: Redis) -> None:
    with rt.cursors.poll("shop", -1) as run:
        assert not isinstance(run, str)
        run.bury("9", {}, "", "unreadable")
        run.advance("1", more=True, records=1)
        run.cursor = None  # the response was lost
        run.advance("1", more=True, records=1)
    assert redis.keys("intake:receipts:*") == []


@pytest.mark.parametrize("script", [catalog.ACCEPT, catalog.SCHEDULE], ids=lambda script: script.name)
@pytest.mark.parametrize("skip", [0, 1], ids=["first", "second"])
def test_jobs_stay_with_their_taker_while_redis_has_forgotten_what_came_of_them(
    rt: FakeRuntime, redis: Redis, script: Script, skip: int
) -> None:
    def job(**fields: object) -> str:
        return json.dumps({"v": 1, "provider": "shop", **fields})

    jobs = [job(record={"id": "1"}), job(external_id="2")], [job(record={"id": "3"}), job(external_id="4"), "{"]
    with forgotten(redis, script, skip=skip), rt.inbox.taker() as taker:
        for pushed in jobs:
            redis.lpush("intake:inbox", *pushed)
            while tasks.listen.take(rt, taker, rt.nudge):
                pass
    assert ids(rt) == set("1234")
    status = rt.inbox.status()
    assert (status["jobs"], status["dead_now"], status["taken"], status["waiting"]) == (5, 1, 0, 0)
    assert redis.keys("intake:receipts:*") == []


@pytest.mark.parametrize("script", [catalog.TAKE, catalog.DONE], ids=lambda script: script.name)
def test_jobs_that_came_back_are_done_again(rt: FakeRuntime, redis: Redis, script: Script) -> None:
    redis.lpush("intake:inbox", json.dumps({"v": 1, "provider": "shop", "record": {"id": "1"}}))
    with forgotten(redis, script, skip=script is catalog.TAKE), rt.inbox.taker() as taker:
        tasks.listen.take(rt, taker, rt.nudge)
    assert rt.inbox.status()["waiting"] + rt.inbox.status()["taken"] == 1
    if script is catalog.DONE:
        assert redis.zcard("intake:inbox:takers") == 1, "what a taker holds after all is freed"
    for name in cast("list[str]", redis.zrange("intake:inbox:takers", 0, -1)):
        redis.zadd("intake:inbox:takers", {name: 0})
    rt.inbox.free()
    with rt.inbox.taker() as taker:
        tasks.listen.take(rt, taker, rt.nudge)
    assert rt.inbox.status()["waiting"] + rt.inbox.status()["taken"] == 0
    assert rt.state("1")["state"] == "queued"


@pytest.mark.parametrize("script", [catalog.ACCEPT, catalog.FETCHED], ids=lambda script: script.name)
def test_a_hint_stays_until_its_order_is_certainly_accepted(rt: FakeRuntime, redis: Redis, script: Script) -> None:
    rt.fetches.add("shop", ["1"])
    with forgotten(redis, script):
        fetch(rt)
    assert rt.fetches.count_waiting("shop") == 1
    redis.zadd("intake:fetch:shop", {"1": 0})
    fetch(rt)
    assert rt.fetches.count_waiting("shop") == 0
    assert rt.state("1")["state"] == "queued"


def test_a_script_that_is_repeated_leaves_one_receipt_and_one_that_fails_leaves_none(
    rt: FakeRuntime, redis: Redis
) -> None:
    with Receipts() as run:
        rt.fetches.add("shop", ["1"])
        with pytest.raises(DataError):
            rt.fetches.add("shop", ["1", None])  # type: ignore[list-item]
        rt.fetches.add("shop", ["2"])
    assert redis.smembers(run.key) == {"1", "2"}
    assert 0 < redis.pttl(run.key) <= 86_400_000
    rt.fetches.add("shop", ["3"])
    assert redis.keys("intake:receipts:*") == [run.key], "outside of a run no receipt is left"
