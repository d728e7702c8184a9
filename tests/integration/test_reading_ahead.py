"""Polls that read ahead: the cursor never passes what was accepted, whatever becomes of the next page meanwhile."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from support.fake_runtime import FakeRuntime, Shop
from support.orders import order
from tasks.pages import PAGES
from tasks.poll import poll
from worker.errors import AuthFailed, OutOfTime, RateLimited, Unavailable
from worker.store.redis import keys
from worker.systems.ahead import announce_page
from worker.systems.provider import Page, Record

if TYPE_CHECKING:
    from redis import Redis

    from schemas.order import Order

SOON = 10.0


class Announcing(Shop):
    """Announces each page at the beginning of the one before it."""

    def fetch(self, cursor: str) -> Page:
        if int(cursor) + 1 < len(self.pages):
            announce_page(str(int(cursor) + 1))
        return super().fetch(cursor)


def runtime(redis: Redis, count: int = 6) -> FakeRuntime[Announcing]:
    return FakeRuntime(redis, Announcing([[{"id": number}] for number in range(count)]))


def cursor(rt: FakeRuntime[Any]) -> str | None:
    return rt.cursors.status("shop").get("value")


def accepted(rt: FakeRuntime[Any], count: int = 6) -> list[str]:
    return [str(number) for number in range(count) if rt.ledger.entries(["t"], f"shop:{number}")]


def test_the_next_page_is_fetched_while_this_one_is_accepted(redis: Redis) -> None:
    class Waiting(Shop):
        def normalize(self, record: Record) -> Order:
            assert fetched.wait(SOON)
            return order(str(record.raw["id"]))

    fetched = threading.Event()
    shop = Waiting([[{"id": 0}], [{"id": 1}]])
    shop.before_fetch = lambda cursor: fetched.set() if cursor == "1" else None
    rt = FakeRuntime(redis, shop)
    poll(rt, "shop", rt.nudge)
    assert (accepted(rt), cursor(rt), shop.asked) == (["0", "1"], "2", ["0", "1"])


@pytest.mark.parametrize(
    "error", [Unavailable("status 500"), AuthFailed("status 401"), OutOfTime("over"), RateLimited("used up", 60.0)]
)
@pytest.mark.parametrize("failing", ["1", "3", "5"])
def test_the_pages_before_one_that_fails_are_accepted(redis: Redis, error: Exception, failing: str) -> None:
    rt = runtime(redis)
    allowed = [True]

    def fail(at: str) -> None:
        if at == failing and allowed:
            raise error

    rt.shop.before_fetch = fail
    poll(rt, "shop", rt.nudge)
    assert (accepted(rt), cursor(rt)) == ([str(number) for number in range(int(failing))], failing)
    allowed.clear()
    rt.cursors.resume("shop")
    poll(rt, "shop", rt.nudge, gap=-1)
    assert (accepted(rt), cursor(rt)) == (["0", "1", "2", "3", "4", "5"], "6")


def test_a_lost_lease_moves_no_cursor_however_far_was_read(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    rt = runtime(redis)
    accept = rt.ledger.accept

    def overtaken(target: str, orders: Any, *args: Any, **named: Any) -> Any:
        if orders[0].order.external_id == "2":
            redis.set(keys.poll("shop"), "another")
        return accept(target, orders, *args, **named)

    monkeypatch.setattr(rt.ledger, "accept", overtaken)
    poll(rt, "shop", rt.nudge)
    assert cursor(rt) == "2"
    assert accepted(rt) == ["0", "1", "2"]


def test_a_page_that_the_source_changed_meanwhile_is_read_from_where_the_one_before_ends(redis: Redis) -> None:
    class Moving(Announcing):
        def fetch(self, cursor: str) -> Page:
            page = super().fetch(cursor)
            return Page(page.records, "3", page.more) if cursor == "1" else page

    shop = Moving([[{"id": number}] for number in range(6)])
    rt = FakeRuntime(redis, shop)
    poll(rt, "shop", rt.nudge)
    assert (accepted(rt), cursor(rt)) == (["0", "1", "3", "4", "5"], "6")


def test_a_poll_of_one_page_reads_nothing_ahead(redis: Redis) -> None:
    rt = runtime(redis)
    poll(rt, "shop", rt.nudge, pages=1)
    assert rt.shop.asked == ["0"]


def test_a_poll_whose_time_is_over_accepts_what_is_fetched_and_begins_nothing(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    rt = runtime(redis, count=30)
    rt.set_clocks(poll=0.3)
    accept = rt.ledger.accept

    def late(*args: Any, **named: Any) -> Any:
        time.sleep(0.4)
        return accept(*args, **named)

    monkeypatch.setattr(rt.ledger, "accept", late)
    poll(rt, "shop", rt.nudge)
    assert len(rt.shop.asked) <= PAGES + 1
    assert cursor(rt) == str(len(rt.shop.asked))
    assert ("poll", "shop") in rt.nudged
