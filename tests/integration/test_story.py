"""Poll, deliver, sweep: what each does when something goes wrong, on a real server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

import tasks.attempt
import tasks.deliver
import tasks.poll
import tasks.sweep
from support.fake_runtime import Shop, Story
from worker.errors import (
    AuthFailed,
    LeaseLost,
    RateLimited,
    Rejected,
    RetryableError,
    SnoozeError,
    TargetDown,
    Unavailable,
    Uncertain,
)

if TYPE_CHECKING:
    from redis import Redis

    from worker.store.orders.lanes import Drain


def poll(story: Story) -> None:
    tasks.poll.poll(story, "shop", story.nudge)  # type: ignore[arg-type]


def deliver(story: Story) -> None:
    tasks.deliver.deliver(story, "t", story.nudge)  # type: ignore[arg-type]


def sweep(story: Story) -> None:
    tasks.sweep.sweep(story, story.nudge)  # type: ignore[arg-type]


def all_due(story: Story) -> None:
    """Let every waiting order be due now, and the breaker closed."""
    lane = story.lanes["t"]
    for key in story.redis.zrange(lane.keys.due, 0, -1):
        story.redis.zadd(lane.keys.due, {key: 0})
    story.redis.hdel(lane.keys.lane, "closed_until", "failures")


@pytest.fixture
def story(redis: Redis) -> Story:
    return Story(redis, Shop([[{"id": 1}, {"id": 2}], [{"id": 3}]]))


def test_every_order_of_every_page_is_created_once(story: Story) -> None:
    poll(story)
    assert set(story.nudges) == {("deliver", "t")}
    deliver(story)
    poll(story)
    deliver(story)
    assert [reference for reference, _ in story.warehouse.created] == ["1", "2", "3"]


def test_a_page_is_a_checkpoint_when_the_provider_breaks_off(story: Story) -> None:
    story.shop.pages = [[{"id": 1}], [{"id": 2}]]
    fetch = story.shop.fetch

    def broken(cursor: str) -> Any:
        if cursor == "1":
            raise Unavailable("GET /orders: connection refused")
        return fetch(cursor)

    story.shop.fetch = broken  # type: ignore[method-assign]
    poll(story)
    assert story.cursors.status("shop")["value"] == "1"
    assert "connection refused" in story.cursors.status("shop")["error"]
    story.shop.fetch = fetch  # type: ignore[method-assign]
    story.redis.hdel("intake:cursor:shop", "retry_at")
    poll(story)
    assert story.shop.asked == ["0", "1"]


def test_the_cursor_stays_where_it_is_when_accepting_fails(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise ConnectionError("OOM command not allowed")

    monkeypatch.setattr(story.ledger, "accept", full)
    with pytest.raises(ConnectionError):
        poll(story)
    assert story.cursors.status("shop").get("value") is None


def test_one_malformed_record_of_a_page_is_kept_and_the_others_delivered(redis: Redis) -> None:
    page: list[dict[str, Any]] = [{"id": n} for n in range(100)]
    page[41] = {"id": 41, "bad": "x"}
    story = Story(redis, Shop([page]))
    poll(story)
    deliver(story)
    assert len(story.warehouse.created) == 99
    letters = story.cursors.letters("shop")
    assert list(letters) == ["41"]
    assert letters["41"]["field"] == "items[0].quantity"
    assert letters["41"]["raw"] == '{"id": 41, "bad": "x"}'


def test_a_record_mended_at_the_source_takes_its_letter_away(redis: Redis) -> None:
    story = Story(redis, Shop([[{"id": 41, "bad": "x"}], [{"id": 41}]]))
    poll(story)
    assert story.cursors.letters("shop") == {}


def test_a_record_the_adapter_stumbles_over_does_not_stop_the_stream(story: Story) -> None:
    story.shop.pages = [[{"no": "id"}, {"id": 2}]]
    poll(story)
    letters = story.cursors.letters("shop")
    assert len(letters) == 1
    assert next(iter(letters)).startswith("sha-")
    deliver(story)
    assert len(story.warehouse.created) == 1


def test_a_wrong_key_pauses_the_provider_and_loses_nothing(story: Story) -> None:
    story.shop.trouble = [AuthFailed("GET /orders: 403")]
    poll(story)
    assert story.cursors.status("shop")["paused"] == "GET /orders: 403"
    poll(story)
    assert len(story.shop.asked) == 1
    story.cursors.resume("shop")
    poll(story)
    deliver(story)
    assert len(story.warehouse.created) == 3


def test_a_short_limit_is_waited_for_and_a_long_one_ends_the_poll(story: Story) -> None:
    story.shop.trouble = [RateLimited("used up", 0.05), RateLimited("used up", 0.05)]
    poll(story)
    assert story.shop.asked == ["0", "0", "0", "1"]
    story.shop.trouble = [RateLimited("used up", 30)]
    poll(story)
    assert not story.cursors.waiting("shop")


@pytest.mark.parametrize("error", [Uncertain("POST /orders: answer lost"), Unavailable("POST /orders: refused")])
def test_a_create_whose_answer_is_lost_makes_no_second_order(story: Story, error: RetryableError) -> None:
    """The write was done although the answer says nothing; only an Uncertain may come after a write."""
    story.shop.pages = []
    poll(story)
    story.shop.pages = [[{"id": 1}]]
    poll(story)
    if isinstance(error, Uncertain):
        story.warehouse.after = [error]
    else:
        story.warehouse.trouble = [error]
    deliver(story)
    assert story.state("1")["state"] == "queued"
    all_due(story)
    deliver(story)
    assert story.state("1")["state"] == "delivered"
    assert len(story.warehouse.created) == 1
    assert story.warehouse.finds == (1 if isinstance(error, Uncertain) else 0)


def test_an_adapter_that_stumbles_after_sending_makes_no_second_order(story: Story) -> None:
    story.shop.pages = [[{"id": 1}]]
    story.warehouse.after = [KeyError("secret@example.com")]
    poll(story)
    deliver(story)
    assert "example.com" not in str(story.state("1"))
    all_due(story)
    deliver(story)
    assert len(story.warehouse.created) == 1


@pytest.mark.parametrize("wait", [RateLimited("used up", 0.0), TargetDown("maintenance", 0.0)])
def test_waiting_costs_no_try_and_hands_back_the_rest_of_the_batch(story: Story, wait: SnoozeError) -> None:
    poll(story)
    story.warehouse.trouble = [wait]
    deliver(story)
    assert len(story.warehouse.created) == 3
    assert story.lanes["t"].status().get("retried", 0) == 0


def test_a_wrong_key_of_a_target_pauses_its_lane_and_buries_nothing(story: Story) -> None:
    poll(story)
    story.warehouse.trouble = [AuthFailed("POST /orders: 401", 0.0)]
    deliver(story)
    status = story.lanes["t"].status()
    assert (status["paused"], status["queued"], status["dead_now"]) == ("POST /orders: 401", 3, 0)
    story.lanes["t"].resume()
    deliver(story)
    assert len(story.warehouse.created) == 3


def test_a_rejected_order_is_buried_with_the_fields_and_the_others_go_on(story: Story) -> None:
    poll(story)
    story.warehouse.trouble = [Rejected("422: city", {"city": ["is required"]})]
    deliver(story)
    assert story.state("1")["state"] == "dead"
    assert story.state("1")["fields"] == '{"city": ["is required"]}'
    assert len(story.warehouse.created) == 2


def test_an_uncertain_order_whose_target_will_not_be_asked_is_in_doubt_and_not_sent_again(story: Story) -> None:
    story.shop.pages = [[{"id": 1}]]
    story.warehouse.after = [Uncertain("POST /orders: answer lost")]
    poll(story)
    deliver(story)

    def refuse(_: str) -> None:
        raise Rejected("GET /orders: status 400")

    story.warehouse.find = refuse  # type: ignore[assignment]
    all_due(story)
    deliver(story)
    assert (story.state("1")["state"], story.state("1")["detail"]) == ("in_doubt", "GET /orders: status 400")
    assert len(story.warehouse.created) == 1


def test_a_drain_that_lost_its_lease_sends_nothing_more(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    poll(story)
    story.warehouse.trouble = [LeaseLost("gone")]
    deliver(story)
    assert story.warehouse.created == []
    assert story.state("1")["state"] == "claimed"


def test_a_drain_gives_the_process_free_when_its_time_is_up(story: Story) -> None:
    poll(story)
    story.nudges.clear()
    story.settings.clocks.drain = -1.0
    deliver(story)
    assert story.warehouse.created == []
    assert story.nudges == [("deliver", "t")]
    assert story.lanes["t"].status()["drains"] == 0
    assert story.lanes["t"].status()["queued"] == 3


@pytest.mark.parametrize(("crowded", "sent"), [(True, 1), (False, 3)])
def test_a_drain_goes_on_for_as_long_as_nobody_waits_for_its_process(
    story: Story, monkeypatch: pytest.MonkeyPatch, *, crowded: bool, sent: int
) -> None:
    """Each call takes longer than a drain; one order is claimed at a time."""
    poll(story)
    story.crowded, story.settings.clocks.drain = crowded, 0.2
    create = story.warehouse.create

    def slow(*order: Any) -> object:
        time.sleep(0.25)
        return create(*order)

    monkeypatch.setattr(story.warehouse, "create", slow)
    monkeypatch.setattr(story.warehouse, "settles", False)
    deliver(story)
    assert len(story.warehouse.created) == sent


def test_a_poll_gives_the_process_free_when_its_time_is_up_and_goes_on_later(story: Story) -> None:
    story.settings.clocks.poll = -1.0
    poll(story)
    assert story.shop.asked == ["0"]
    assert ("poll", "shop") in story.nudges
    assert story.cursors.waiting("shop")


def test_the_sweep_wakes_lanes_with_work_and_polls_cut_short(story: Story) -> None:
    story.settings.clocks.poll = -1.0
    poll(story)
    story.nudges.clear()
    sweep(story)
    assert story.nudges == [("deliver", "t"), ("poll", "shop")]


def test_the_sweep_leaves_closed_and_paused_lanes_alone(story: Story) -> None:
    poll(story)
    story.nudges.clear()
    story.lanes["t"].scope.close(30.0)
    sweep(story)
    story.redis.delete("intake:limit:t")
    story.lanes["t"].pause("by hand")
    sweep(story)
    assert story.nudges == []


def test_orders_of_a_killed_worker_are_asked_for_before_they_are_created(redis: Redis) -> None:
    story = Story(redis, Shop([[{"id": 1}, {"id": 2}]]), lease=0.4)
    poll(story)
    dead: Drain = story.lanes["t"].drain()
    first, _ = dead.claim(2)
    tasks.attempt.attempt(story.warehouse, first)
    time.sleep(0.5)
    sweep(story)
    deliver(story)
    assert sorted(reference for reference, _ in story.warehouse.created) == ["1", "2"]
    assert story.state(first.key.removeprefix("shop:"))["state"] == "delivered"


def test_after_redis_was_lost_everything_is_read_again_and_nothing_doubled(story: Story) -> None:
    poll(story)
    deliver(story)
    story.redis.flushall()
    poll(story)
    deliver(story)
    assert len(story.warehouse.created) == 3
    assert story.warehouse.finds == 6


def test_a_letter_stays_while_the_newest_record_of_its_order_cannot_be_read(redis: Redis) -> None:
    story = Story(redis, Shop([[{"id": 1}, {"id": 1, "bad": 1}, {"id": 2, "bad": 1}, {"id": 2}]]))
    poll(story)
    assert list(story.cursors.letters("shop")) == ["1"]
