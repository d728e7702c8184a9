"""The tasks poll, deliver and sweep under faults, on a real Redis."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

import tasks.attempt
import tasks.deliver
import tasks.poll
import tasks.sweep
from support.fake_runtime import FakeRuntime, Shop
from support.redis_text import make_due
from tasks.summary import NeedsPerson
from worker.errors import (
    AuthFailed,
    LeaseLost,
    Misdirected,
    RateLimited,
    Rejected,
    RetryableError,
    SnoozeError,
    TargetDown,
    Unavailable,
    Uncertain,
)
from worker.store.feeds.work import read_work

if TYPE_CHECKING:
    from redis import Redis

    from schemas.order import Order
    from worker.store.orders.drains import Drain
    from worker.systems.target import Pending, Receipt


def poll(rt: FakeRuntime) -> None:
    tasks.poll.poll(rt, "shop", rt.nudge)


def deliver(rt: FakeRuntime) -> None:
    tasks.deliver.deliver(rt, "t", rt.nudge)


def sweep(rt: FakeRuntime) -> None:
    tasks.sweep.sweep(rt, rt.nudge)


def make_all_due(rt: FakeRuntime) -> None:
    """Make every waiting order due now, and close the breaker."""
    lane = rt.lanes["t"]
    make_due(rt.redis, lane)
    rt.redis.hdel(lane.keys.lane, "closed_until", "failures")


@pytest.fixture
def rt(redis: Redis) -> FakeRuntime:
    return FakeRuntime(redis, Shop([[{"id": 1}, {"id": 2}], [{"id": 3}]]))


def test_every_order_of_every_page_is_created_once(rt: FakeRuntime) -> None:
    poll(rt)
    assert set(rt.nudged) == {("deliver", "t")}
    deliver(rt)
    poll(rt)
    deliver(rt)
    assert [reference for reference, _ in rt.warehouse.created] == ["1", "2", "3"]


def test_a_page_is_a_checkpoint_when_the_provider_fails_later(rt: FakeRuntime) -> None:
    rt.shop.pages = [[{"id": 1}], [{"id": 2}]]

    def broken(cursor: str) -> None:
        if cursor == "1":
            raise Unavailable("GET /orders: connection refused")

    rt.shop.before_fetch = broken
    poll(rt)
    assert rt.cursors.status("shop")["value"] == "1"
    assert "connection refused" in rt.cursors.status("shop")["error"]
    rt.shop.before_fetch = lambda _: None
    rt.redis.hdel("intake:cursor:shop", "retry_at")
    poll(rt)
    assert rt.shop.asked == ["0", "1"]


def test_a_failed_accept_does_not_move_the_cursor(rt: FakeRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise ConnectionError("OOM command not allowed")

    monkeypatch.setattr(rt.ledger, "accept", full)
    with pytest.raises(ConnectionError):
        poll(rt)
    assert rt.cursors.status("shop").get("value") is None


def test_a_malformed_record_becomes_a_dead_letter_and_the_rest_of_its_page_is_delivered(redis: Redis) -> None:
    page: list[dict[str, Any]] = [{"id": n} for n in range(100)]
    page[41] = {"id": 41, "bad": "x"}
    rt = FakeRuntime(redis, Shop([page]))
    poll(rt)
    deliver(rt)
    assert len(rt.warehouse.created) == 99
    letters = rt.cursors.letters("shop")
    assert list(letters) == ["41"]
    assert letters["41"]["field"] == "items[0].quantity"
    assert letters["41"]["raw"] == '{"id": 41, "bad": "x"}'


def test_a_record_fixed_at_the_source_removes_its_dead_letter(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([[{"id": 41, "bad": "x"}], [{"id": 41}]]))
    poll(rt)
    assert rt.cursors.letters("shop") == {}


def test_a_record_that_crashes_the_adapter_does_not_stop_the_feed(rt: FakeRuntime) -> None:
    rt.shop.pages = [[{"no": "id"}, {"id": 2}]]
    poll(rt)
    letters = rt.cursors.letters("shop")
    assert len(letters) == 1
    assert next(iter(letters)).startswith("sha-")
    deliver(rt)
    assert len(rt.warehouse.created) == 1


def test_a_refused_key_pauses_the_provider_and_loses_nothing(rt: FakeRuntime) -> None:
    rt.shop.trouble = [AuthFailed("GET /orders: 403")]
    poll(rt)
    assert rt.cursors.status("shop")["paused"] == "GET /orders: 403"
    poll(rt)
    assert len(rt.shop.asked) == 1
    rt.cursors.resume("shop")
    poll(rt)
    deliver(rt)
    assert len(rt.warehouse.created) == 3


def test_a_poll_waits_for_a_short_limit_and_ends_at_a_long_one(rt: FakeRuntime) -> None:
    rt.shop.trouble = [RateLimited("used up", 0.05), RateLimited("used up", 0.05)]
    poll(rt)
    assert rt.shop.asked == ["0", "0", "0", "1"]
    rt.shop.trouble = [RateLimited("used up", 30)]
    poll(rt)
    assert "poll" not in read_work(rt.redis, {"shop": 3600.0})["shop"]


@pytest.mark.parametrize("error", [Uncertain("POST /orders: answer lost"), Unavailable("POST /orders: refused")])
def test_a_lost_create_response_creates_no_second_order(rt: FakeRuntime, error: RetryableError) -> None:
    """Only an Uncertain can follow a create that took effect; an Unavailable cannot."""
    rt.shop.pages = []
    poll(rt)
    rt.shop.pages = [[{"id": 1}]]
    poll(rt)
    if isinstance(error, Uncertain):
        rt.warehouse.after = [error]
    else:
        rt.warehouse.trouble = [error]
    deliver(rt)
    assert rt.state("1")["state"] == "queued"
    make_all_due(rt)
    deliver(rt)
    assert rt.state("1")["state"] == "delivered"
    assert len(rt.warehouse.created) == 1
    assert rt.warehouse.finds == (1 if isinstance(error, Uncertain) else 0)


def test_an_adapter_that_crashes_after_sending_creates_no_second_order(rt: FakeRuntime) -> None:
    rt.shop.pages = [[{"id": 1}]]
    rt.warehouse.after = [KeyError("secret@example.com")]
    poll(rt)
    deliver(rt)
    assert "example.com" not in str(rt.state("1"))
    make_all_due(rt)
    deliver(rt)
    assert len(rt.warehouse.created) == 1


@pytest.mark.parametrize("wait", [RateLimited("used up", 0.0), TargetDown("maintenance", 0.0)])
def test_a_snooze_costs_no_try_and_releases_the_rest_of_the_batch(rt: FakeRuntime, wait: SnoozeError) -> None:
    poll(rt)
    rt.warehouse.trouble = [wait]
    deliver(rt)
    assert len(rt.warehouse.created) == 3
    assert rt.lanes["t"].status().get("retried", 0) == 0


def test_a_refused_target_key_pauses_the_lane_and_buries_nothing(rt: FakeRuntime) -> None:
    poll(rt)
    rt.warehouse.trouble = [AuthFailed("POST /orders: 401", 0.0)]
    deliver(rt)
    status = rt.lanes["t"].status()
    assert (status["paused"], status["queued"], status["dead_now"]) == ("POST /orders: 401", 3, 0)
    rt.lanes["t"].resume()
    deliver(rt)
    assert len(rt.warehouse.created) == 3


def test_answers_of_something_else_than_the_target_pause_and_bury_nothing(rt: FakeRuntime) -> None:
    rt.shop.pages = [[{"id": 1}]]
    poll(rt)
    lane = rt.lanes["t"]
    for _ in range(3 * lane.max_tries):
        make_due(rt.redis, lane)
        rt.redis.hdel(lane.keys.lane, "closed_until")
        rt.warehouse.trouble = [Misdirected("POST /orders: status 404")]
        deliver(rt)
    status = lane.status()
    assert (status["queued"], status["dead_now"], "paused" in status) == (1, 0, False)
    assert int(status["failures"]) == 3 * lane.max_tries
    rt.warehouse.trouble = []
    make_all_due(rt)
    deliver(rt)
    assert len(rt.warehouse.created) == 1


def test_an_order_that_alone_is_misdirected_becomes_dead(rt: FakeRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    rt.shop.pages = []
    poll(rt)
    rt.shop.pages = [[{"id": n}] for n in range(1, 12)]
    create = rt.warehouse.create

    def refuse_the_first(order: Order, reference: str) -> Receipt | Pending:
        if order.external_id == "1":
            raise Misdirected("POST /orders: status 404")
        return create(order, reference)

    monkeypatch.setattr(rt.warehouse, "create", refuse_the_first)
    for _ in range(10):
        tasks.poll.poll(rt, "shop", rt.nudge, pages=1)
        make_due(rt.redis, rt.lanes["t"])
        deliver(rt)
    assert (rt.state("1")["state"], rt.state("1")["code"]) == ("dead", "misdirected")


def test_a_rejected_order_is_buried_with_its_fields_and_the_others_continue(rt: FakeRuntime) -> None:
    poll(rt)
    rt.warehouse.trouble = [Rejected("422: city", {"city": ["is required"]})]
    deliver(rt)
    assert rt.state("1")["state"] == "dead"
    assert rt.state("1")["fields"] == '{"city": ["is required"]}'
    assert len(rt.warehouse.created) == 2


def test_an_uncertain_order_is_in_doubt_and_not_resent_when_its_target_refuses_the_search(rt: FakeRuntime) -> None:
    rt.shop.pages = [[{"id": 1}]]
    rt.warehouse.after = [Uncertain("POST /orders: answer lost")]
    poll(rt)
    deliver(rt)

    def refuse(_: str) -> None:
        raise Rejected("GET /orders: status 400")

    rt.warehouse.before_find = refuse
    make_all_due(rt)
    deliver(rt)
    assert (rt.state("1")["state"], rt.state("1")["detail"]) == ("in_doubt", "GET /orders: status 400")
    assert len(rt.warehouse.created) == 1


def test_a_drain_that_lost_its_lease_sends_nothing_more(rt: FakeRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    poll(rt)
    rt.warehouse.trouble = [LeaseLost("gone")]
    deliver(rt)
    assert rt.warehouse.created == []
    assert rt.state("1")["state"] == "claimed"


def test_a_drain_frees_its_process_when_its_time_is_up(rt: FakeRuntime) -> None:
    poll(rt)
    rt.nudged.clear()
    rt.set_clocks(drain=-1.0)
    deliver(rt)
    assert rt.warehouse.created == []
    assert rt.nudged == [("deliver", "t")]
    assert rt.lanes["t"].status()["drains"] == 0
    assert rt.lanes["t"].status()["queued"] == 3


@pytest.mark.parametrize(("crowded", "sent"), [(True, 1), (False, 3)])
def test_a_drain_continues_while_no_other_work_waits_for_its_process(
    rt: FakeRuntime, monkeypatch: pytest.MonkeyPatch, *, crowded: bool, sent: int
) -> None:
    """Each call takes longer than the time of a drain, and orders are claimed one at a time."""
    poll(rt)
    rt.crowded = crowded
    rt.set_clocks(drain=0.2)
    create = rt.warehouse.create

    def slow(*order: Any) -> object:
        time.sleep(0.25)
        return create(*order)

    monkeypatch.setattr(rt.warehouse, "create", slow)
    monkeypatch.setattr(rt.warehouse, "settles", False)
    deliver(rt)
    assert len(rt.warehouse.created) == sent


def test_a_poll_frees_its_process_when_its_time_is_up_and_continues_later(rt: FakeRuntime) -> None:
    rt.set_clocks(poll=-1.0)
    poll(rt)
    assert rt.shop.asked == ["0"]
    assert ("poll", "shop") in rt.nudged
    assert "poll" in read_work(rt.redis, {"shop": 3600.0})["shop"]


@pytest.mark.parametrize(("crowded", "pages"), [(True, 1), (False, 2)])
def test_a_poll_continues_while_no_other_work_waits_for_its_process(
    rt: FakeRuntime, *, crowded: bool, pages: int
) -> None:
    rt.crowded = crowded
    rt.set_clocks(poll=-1.0)
    poll(rt)
    assert len(rt.shop.asked) == pages


def test_the_sweep_wakes_lanes_with_work_and_interrupted_polls(rt: FakeRuntime) -> None:
    rt.set_clocks(poll=-1.0)
    poll(rt)
    rt.nudged.clear()
    sweep(rt)
    assert rt.nudged == [("deliver", "t"), ("poll", "shop")]


def test_the_sweep_leaves_closed_and_paused_lanes_alone(rt: FakeRuntime) -> None:
    rt.poll_every(60.0)
    poll(rt)
    rt.nudged.clear()
    rt.lanes["t"].scope.close(30.0)
    sweep(rt)
    rt.redis.delete("intake:limit:t")
    rt.lanes["t"].pause("by hand")
    sweep(rt)
    assert rt.nudged == []


def test_orders_of_a_killed_worker_are_looked_up_before_they_are_created(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([[{"id": 1}, {"id": 2}]]), lease=0.4)
    poll(rt)
    dead: Drain = rt.lanes["t"].drain()
    first, _ = dead.claim(2)
    tasks.attempt.attempt(rt.warehouse, first)
    time.sleep(0.5)
    sweep(rt)
    deliver(rt)
    assert sorted(reference for reference, _ in rt.warehouse.created) == ["1", "2"]
    assert rt.state(first.key.removeprefix("shop:"))["state"] == "delivered"


def test_after_a_loss_of_redis_everything_is_read_again_and_nothing_is_duplicated(rt: FakeRuntime) -> None:
    poll(rt)
    deliver(rt)
    rt.redis.flushall()
    poll(rt)
    deliver(rt)
    assert len(rt.warehouse.created) == 3
    assert rt.warehouse.finds == 6


def test_a_dead_letter_stays_while_the_newest_record_of_its_order_is_malformed(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([[{"id": 1}, {"id": 1, "bad": 1}, {"id": 2, "bad": 1}, {"id": 2}]]))
    poll(rt)
    assert list(rt.cursors.letters("shop")) == ["1"]


def test_a_drain_that_buries_an_order_needs_a_person_and_says_what_it_did(rt: FakeRuntime) -> None:
    read = tasks.poll.poll(rt, "shop", rt.nudge)
    assert repr(read.conclude()) == "shop: 3 read, 3 new"
    rt.warehouse.trouble = [Rejected("422: city of Ada", {"city": ["is required"]}), None]
    with pytest.raises(NeedsPerson) as failed:
        tasks.deliver.deliver(rt, "t", rt.nudge).conclude()
    assert str(failed.value) == "t: 1 dead, 2 delivered. Next: intake dead list --target t"


def test_a_drain_says_what_it_did_and_a_retry_needs_nobody(rt: FakeRuntime) -> None:
    tasks.poll.poll(rt, "shop", rt.nudge)
    rt.warehouse.trouble = [Unavailable("POST /orders: status 500 for Ada"), None]
    done = tasks.deliver.deliver(rt, "t", rt.nudge).conclude()
    assert done.counts == {"retried": 1, "delivered": 2}
    assert repr(tasks.deliver.deliver(rt, "t", rt.nudge).conclude()) == "t: nothing to do"


def test_refused_credentials_need_a_person_on_both_sides(rt: FakeRuntime) -> None:
    def refuse(_: str) -> None:
        raise AuthFailed("GET /orders: status 401 for Ada")

    tasks.poll.poll(rt, "shop", rt.nudge)
    rt.shop.before_fetch = refuse
    rt.warehouse.trouble = [AuthFailed("POST /orders: status 401 for Ada")]
    for summary, name in (
        (tasks.deliver.deliver(rt, "t", rt.nudge), "t"),
        (tasks.poll.poll(rt, "shop", rt.nudge, gap=0), "shop"),
    ):
        with pytest.raises(NeedsPerson) as failed:
            summary.conclude()
        assert str(failed.value).endswith(f"paused: the credentials were refused. Next: intake resume {name}")
        assert "Ada" not in str(failed.value)


def test_a_poll_that_fails_is_repeated_and_needs_nobody(rt: FakeRuntime) -> None:
    def away(_: str) -> None:
        raise Unavailable("GET /orders: connection refused by Ada")

    rt.shop.before_fetch = away
    assert repr(tasks.poll.poll(rt, "shop", rt.nudge).conclude()) == "shop: ended early (unavailable), and is repeated"


def test_a_poll_with_an_unreadable_record_needs_a_person(rt: FakeRuntime) -> None:
    rt.shop.pages = [[{"id": 1}, {"id": 2, "bad": True}]]
    with pytest.raises(NeedsPerson) as failed:
        tasks.poll.poll(rt, "shop", rt.nudge).conclude()
    assert str(failed.value) == "shop: 2 read, 1 unreadable, 1 new. Next: intake dead list --provider shop"


def test_a_sweep_says_what_it_nudged_and_nothing_if_there_was_nothing(rt: FakeRuntime) -> None:
    rt.poll_every(60.0)
    assert tasks.sweep.sweep(rt, rt.nudge) == {"poll shop": 1}
    tasks.poll.poll(rt, "shop", rt.nudge)
    assert tasks.sweep.sweep(rt, rt.nudge) == {"deliver t": 1}
    deliver(rt)
    assert tasks.sweep.sweep(rt, rt.nudge) == {}
