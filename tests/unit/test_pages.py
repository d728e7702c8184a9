"""The pages of a poll: what is fetched ahead changes when a page is fetched, and nothing else."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

import pytest

from tasks.pages import CALLS, Pages
from worker.errors import RateLimited, Unavailable
from worker.store.limits.limiter import note_slot
from worker.systems.ahead import announce_page, calls_for
from worker.systems.provider import Page

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds after which a test fails that waits for another thread.
SOON = 10.0


class Feed:
    """Pages by number. Each announces the one that `announced` names, and ends at that which `following` names."""

    def __init__(self, last: int = 9) -> None:
        self.last, self.asked = last, list[str]()
        self.announced: dict[str, str] = {}
        self.following: dict[str, str] = {}
        self.errors: dict[str, list[Exception]] = {}
        #: Set when the page at a cursor is asked for.
        self.began = {str(number): threading.Event() for number in range(last + 9)}
        #: A page ends only when this one has begun.
        self.waits_for: dict[str, str] = {}

    def fetch(self, cursor: str) -> Page:
        self.asked.append(cursor)
        if cursor in self.announced:
            announce_page(self.announced[cursor])
        self.began[cursor].set()
        if cursor in self.waits_for:
            assert self.began[self.waits_for[cursor]].wait(SOON)
        if errors := self.errors.get(cursor):
            raise errors.pop(0)
        following = self.following.get(cursor, str(int(cursor) + 1))
        return Page([], following, more=int(following) < self.last)

    def pages(self, *, may_begin: Callable[[], bool] = lambda: True, rate: float = math.inf) -> Pages:
        return Pages(self.fetch, may_begin, rate)


def read(pages: Pages, cursor: str = "0") -> list[str]:
    """Read all pages as a poll does; return their cursors."""
    cursors = []
    with pages:
        while True:
            page = pages.take(cursor)
            cursors.append(page.cursor)
            if not page.more:
                return cursors
            pages.follow(page.cursor)
            cursor = page.cursor


def test_each_page_is_fetched_once_in_its_order() -> None:
    feed = Feed()
    assert read(feed.pages()) == [str(number) for number in range(1, 10)]
    assert sorted(feed.asked) == [str(number) for number in range(9)]


def test_an_announced_page_is_fetched_before_this_one_ends() -> None:
    feed = Feed()
    feed.announced = {str(number): str(number + 1) for number in range(8)}
    feed.waits_for = {"0": "3"}
    assert read(feed.pages()) == [str(number) for number in range(1, 10)]
    assert sorted(feed.asked) == [str(number) for number in range(9)]


def test_a_page_that_was_announced_wrongly_is_read_in_vain() -> None:
    feed = Feed()
    feed.announced, feed.following, feed.waits_for = {"0": "5"}, {"0": "2"}, {"0": "5"}
    assert read(feed.pages()) == [str(number) for number in range(2, 10)]
    assert sorted(feed.asked) == ["0", "2", "3", "4", "5", "5", "6", "7", "8"]


def test_an_adapter_that_announces_wrongly_is_not_heard_any_more() -> None:
    feed = Feed()
    feed.announced = {str(number): "12" for number in range(9)}
    assert len(read(feed.pages())) == 9
    assert feed.asked.count("12") <= 3


def test_an_error_of_a_page_is_raised_when_its_turn_comes() -> None:
    feed = Feed()
    feed.announced, feed.waits_for = {"0": "1"}, {"0": "1"}
    feed.errors["1"] = [Unavailable("status 500")]
    with feed.pages() as pages:
        page = pages.take("0")
        pages.follow(page.cursor)
        with pytest.raises(Unavailable):
            pages.take(page.cursor)


def test_a_page_that_found_the_limit_used_up_is_fetched_when_its_turn_comes() -> None:
    feed = Feed()
    feed.announced = {"0": "1"}
    feed.errors["1"] = [RateLimited("used up", 3.0)]
    assert len(read(feed.pages())) == 9


def test_a_slow_limit_has_one_page_ahead() -> None:
    feed = Feed()
    feed.announced = {str(number): str(number + 1) for number in range(8)}
    with feed.pages(rate=1.0) as pages:
        pages.take("0")
        assert feed.began["1"].wait(SOON)
        assert not feed.began["2"].wait(0.05)


def test_nothing_is_fetched_ahead_when_the_time_is_over() -> None:
    feed = Feed()
    feed.announced = {"0": "1"}
    with feed.pages(may_begin=lambda: False) as pages:
        page = pages.take("0")
        pages.follow(page.cursor)
        assert not pages.has(page.cursor)
        assert pages.take(page.cursor).cursor == "2"


def test_calls_of_a_page_are_made_at_once_and_have_their_own_results() -> None:
    """All of the first calls have to be under way for any of them to end."""
    together = threading.Barrier(CALLS)
    most, under_way, lock = 0, 0, threading.Lock()

    def call(number: int) -> int:
        nonlocal most, under_way
        with lock:
            under_way += 1
            most = max(most, under_way)
        if number < CALLS:
            together.wait(SOON)
        with lock:
            under_way -= 1
        if number % 7 == 3:
            raise Unavailable(str(number))
        return number

    results: list[object] = []

    def fetch(cursor: str) -> Page:
        for made in calls_for(call, range(30)):
            try:
                results.append(made())
            except Unavailable as error:
                results.append(str(error))
        return Page([], cursor, more=False)

    with Pages(fetch, lambda: True, math.inf) as pages:
        pages.take("0")
    assert results == [str(number) if number % 7 == 3 else number for number in range(30)]
    assert most == CALLS


def test_calls_are_made_one_by_one_where_nobody_makes_them_ahead() -> None:
    made = list[int]()
    calls = calls_for(made.append, [1, 2, 3])
    next(calls)()
    assert made == [1]


def test_an_announced_page_has_its_slot_of_the_limit_before_the_page_that_announced_it_goes_on() -> None:
    """Otherwise the chain of pages waits behind calls that nothing waits for."""
    order = list[str]()

    def fetch(cursor: str) -> Page:
        if cursor == "0":
            announce_page("1")
        else:
            threading.Event().wait(0.01)
            note_slot()
        order.append(cursor)
        return Page([], str(int(cursor) + 1), more=cursor == "0")

    read(Pages(fetch, lambda: True, 10.0))
    assert order == ["1", "0"]
