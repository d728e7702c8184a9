"""Cursors on a real server: only the poll that read a page moves the cursor, and only from where it read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from worker.errors import LeaseLost
from worker.store.feeds.cursors import Cursors, Poll
from worker.store.feeds.work import read_work
from worker.store.redis import catalog

if TYPE_CHECKING:
    from redis import Redis


@pytest.fixture
def cursors(redis: Redis) -> Cursors:
    return Cursors(redis, lease=0.6, heartbeat=0.15)


def test_a_cursor_continues_after_the_last_accepted_page(cursors: Cursors) -> None:
    with cursors.poll("p", 0) as poll:
        assert isinstance(poll, Poll)
        assert (poll.cursor, cursors.status("p").get("walked")) == (None, None)
        poll.advance("a", more=True, records=1)
        poll.advance("b", more=True, records=1)
    with cursors.poll("p", 0) as poll:
        assert isinstance(poll, Poll)
        assert (poll.cursor, cursors.status("p").get("walked")) == ("b", None)
        poll.advance("c", more=False, records=1)
    with cursors.poll("p", 0) as poll:
        assert isinstance(poll, Poll)
        assert poll.cursor == "c"
        assert int(cursors.status("p")["walked"]) == int(cursors.status("p")["finished"])


def test_only_one_of_two_simultaneous_polls_runs(cursors: Cursors) -> None:
    with cursors.poll("p", 0) as first, cursors.poll("p", 0) as second:
        assert isinstance(first, Poll)
        assert second == "busy"
    with cursors.poll("p", 0) as third:
        assert isinstance(third, Poll)


def test_two_beats_do_not_poll_a_provider_twice_as_often(cursors: Cursors) -> None:
    with cursors.poll("p", 0.3) as poll:
        assert isinstance(poll, Poll)
        poll.advance("a", more=False, records=0)
    with cursors.poll("p", 0.3) as poll:
        assert poll == "early"
    time.sleep(0.35)
    with cursors.poll("p", 0.3) as poll:
        assert isinstance(poll, Poll)


@pytest.mark.parametrize(("since_start", "since_end"), [(9, 1), (9, 8.9), (7, 1), (7, 6)])
def test_the_interval_of_polls_counts_from_start_to_start(
    cursors: Cursors, redis: Redis, since_start: float, since_end: float
) -> None:
    now = cursors.now()
    redis.hset("intake:cursor:p", "started", int(now - since_start * 1000))
    redis.hset("intake:cursor:p", "finished", int(now - since_end * 1000))
    with cursors.poll("p", 8) as poll:
        assert isinstance(poll, Poll) == (since_start > 8)


@pytest.mark.parametrize("ahead", [60, 3600, 86_400])
def test_a_clock_that_was_set_back_stops_no_polls(cursors: Cursors, redis: Redis, ahead: int) -> None:
    for field in ("started", "finished"):
        redis.hset("intake:cursor:p", field, cursors.now() + ahead * 1000)
    with cursors.poll("p", 8) as poll:
        assert isinstance(poll, Poll)


def test_an_interrupted_poll_continues_before_its_interval_ends(cursors: Cursors) -> None:
    with cursors.poll("p", 60) as poll:
        assert isinstance(poll, Poll)
        poll.advance("a", more=True, records=1)
    assert "poll" in read_work(cursors.redis, {"p": 3600.0})["p"]
    with cursors.poll("p", 60) as poll:
        assert isinstance(poll, Poll)
        assert "poll" not in read_work(cursors.redis, {"p": 3600.0})["p"]
        poll.advance("b", more=False, records=1)
    assert "poll" not in read_work(cursors.redis, {"p": 3600.0})["p"]


@pytest.mark.parametrize("back", [0, 3600, 86_400])
def test_a_poll_that_is_overdue_is_work_whenever_beat_asks_next(cursors: Cursors, redis: Redis, back: int) -> None:
    with cursors.poll("p", 60) as poll:
        assert isinstance(poll, Poll)
        poll.advance("a", more=False, records=1)
    assert read_work(cursors.redis, {"p": 60.0, "q": 60.0}) == {"p": [], "q": ["poll"]}
    redis.hset("intake:cursor:p", "started", cursors.now() - 60_000 + 2 * back * 1000)  # a clock may have been set back
    assert read_work(cursors.redis, {"p": 60.0})["p"] == ["poll"]
    cursors.note_failure("p", "unavailable: GET /x", 60)
    assert read_work(cursors.redis, {"p": 60.0})["p"] == []


def test_a_poll_whose_lease_was_taken_cannot_move_the_cursor(cursors: Cursors, redis: Redis) -> None:
    with cursors.poll("p", 0) as slow:
        assert isinstance(slow, Poll)
        redis.set("intake:poll:p", "another")
        with pytest.raises(LeaseLost):
            slow.advance("a", more=False, records=1)
    assert redis.hget("intake:cursor:p", "value") is None


def test_after_a_loss_of_redis_no_earlier_page_counts_as_read(cursors: Cursors, redis: Redis) -> None:
    with cursors.poll("p", 0) as poll:
        assert isinstance(poll, Poll)
        redis.flushall()
        with pytest.raises(LeaseLost):
            poll.advance("a", more=False, records=1)
    assert cursors.status("p").get("value") is None


def test_a_cursor_move_can_be_repeated_after_a_lost_response(cursors: Cursors) -> None:
    with cursors.poll("p", 0) as poll:
        assert isinstance(poll, Poll)
        poll.advance("a", more=True, records=1)
        poll.cursor = None
        poll.advance("a", more=True, records=1)


def test_a_poll_keeps_its_lease_while_a_slow_provider_responds(cursors: Cursors) -> None:
    with cursors.poll("p", 0) as slow:
        assert isinstance(slow, Poll)
        time.sleep(1.5)
        with cursors.poll("p", 0) as other:
            assert other == "busy"
        slow.advance("a", more=False, records=1)


def test_the_lease_of_a_killed_poll_expires(cursors: Cursors, redis: Redis) -> None:
    cursors.scripts(
        catalog.BEGIN, cursor="intake:cursor:p", lease="intake:poll:p", owner="dead", lease_ms=300, gap_ms=0
    )
    with cursors.poll("p", 0) as poll:
        assert poll == "busy"
    time.sleep(0.35)
    with cursors.poll("p", 0) as poll:
        assert isinstance(poll, Poll)


def test_a_failed_poll_is_retried_later_and_its_reason_is_kept(cursors: Cursors) -> None:
    cursors.note_failure("p", "unavailable: GET /x", 0.3)
    assert "poll" not in read_work(cursors.redis, {"p": 3600.0})["p"]
    with cursors.poll("p", 0) as poll:
        assert poll == "early"
    assert cursors.status("p")["error"] == "unavailable: GET /x"
    time.sleep(0.35)
    assert "poll" in read_work(cursors.redis, {"p": 3600.0})["p"]


def test_a_paused_provider_is_not_polled_until_resumed(cursors: Cursors) -> None:
    cursors.pause("p", "wrong key")
    with cursors.poll("p", 0) as poll:
        assert poll == "paused"
    cursors.resume("p")
    with cursors.poll("p", 0) as poll:
        assert isinstance(poll, Poll)


def test_a_dead_letter_holds_the_raw_record_and_is_removed_when_the_record_is_readable(cursors: Cursors) -> None:
    cursors.bury("p", "7", {"id": 7, "x": "y" * 100_000}, "items[0].quantity", "not a number")
    letter = cursors.letters("p")["7"]
    assert (letter["field"], letter["reason"]) == ("items[0].quantity", "not a number")
    assert letter["raw"].startswith('{"id": 7')
    assert len(letter["raw"]) == 65_536
    cursors.drop_letters("p", ["7", "8"])
    assert cursors.letters("p") == {}
