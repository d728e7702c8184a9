"""What an operator does about an account that must be left alone for a while, and how it comes back."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

import tasks.deliver
import tasks.fetch
import tasks.poll
import tasks.sweep
from support.fake_runtime import Shop, Story
from support.orders import order
from support.pipeline import ways
from worker.cli import main
from worker.errors import TargetDown, Unavailable
from worker.store.limits.limit import Limit
from worker.store.limits.limiter import Scope
from worker.store.orders.lanes import BREAKER, Lane, Outcome
from worker.store.orders.ledger import Delivery

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redis import Redis

    from support.pipeline import Make


@pytest.fixture
def make(tmp_path: Path, redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    monkeypatch.setenv("INTAKE_CONFIG", str(tmp_path / "intake.toml"))
    monkeypatch.setenv("COLUMNS", "200")
    with ways(tmp_path, redis_url, monkeypatch) as start:
        yield start


def intake(*args: str) -> Result:
    return CliRunner().invoke(main, args)


def accept(story: Story, count: int) -> None:
    story.ledger.accept("t", [Delivery(order(str(n)), str(n)) for n in range(count)], "test")


def deliver(story: Story) -> None:
    tasks.deliver.deliver(story, "t", story.nudge)  # type: ignore[arg-type]


def sweep(story: Story) -> None:
    tasks.sweep.sweep(story, story.nudge)  # type: ignore[arg-type]


def pass_time(story: Story, seconds: float) -> None:
    """Everything the lane has noted is so much older."""
    keys, redis = story.lanes["t"].keys, story.redis
    with redis.pipeline() as pipe:
        for key in redis.zrange(keys.due, 0, -1):
            pipe.zincrby(keys.due, -seconds * 1000, key)
        pipe.execute()
    if until := redis.hget(keys.lane, "closed_until"):
        redis.hset(keys.lane, "closed_until", int(until) - round(seconds * 1000))


# Pauses


def test_a_pause_with_an_end_ends_by_the_clock_of_redis_and_the_sweep_wakes_what_waits(redis: Redis) -> None:
    story = Story(redis, Shop([[{"id": "1"}]]))
    accept(story, 1)
    story.lanes["t"].pause("stocktaking", 0.3)
    story.cursors.pause("shop", "stocktaking", 0.3)
    sweep(story)
    deliver(story)
    tasks.poll.poll(story, "shop", story.nudge)  # type: ignore[arg-type]
    assert (story.warehouse.created, story.shop.asked, story.nudges) == ([], [], [])
    time.sleep(0.35)
    sweep(story)
    assert {("deliver", "t"), ("poll", "shop")} <= set(story.nudges)
    deliver(story)
    assert len(story.warehouse.created) == 1
    assert "paused" not in story.cursors.status("shop")


def test_a_pause_without_an_end_takes_the_place_of_one_that_has_one(redis: Redis) -> None:
    story = Story(redis, Shop([]))
    story.lanes["t"].pause("for a moment", 0.05)
    story.lanes["t"].pause("401: the key is wrong")
    time.sleep(0.1)
    sweep(story)
    assert story.lanes["t"].status()["paused"] == "401: the key is wrong"
    story.lanes["t"].resume()
    assert "paused" not in story.lanes["t"].status()


def test_the_command_takes_a_length_or_a_time_and_status_shows_it(make: Make) -> None:
    way = make(1).open()
    told = intake("pause", "dropday", "--for", "2h", "--reason", "stocktaking")
    assert "dropday is paused until " in told.output
    assert "PAUSED 2 h" in intake("status").output
    assert 7190 < (int(way.lane()["paused_until"]) - way.rt.cursors.now()) / 1000 <= 7200
    later = datetime.now(UTC) + timedelta(minutes=90)
    assert f"until {later:%Y-%m-%d %H:%M}:00" in intake("pause", "shop", "--until", f"{later:%H:%M}").output
    assert "is over" in intake("pause", "shop", "--until", "2020-01-01").output
    assert "is no time" in intake("pause", "shop", "--until", "tomorrow").output
    assert "is no length of time" in intake("pause", "shop", "--for", "soon").output
    assert intake("pause", "shop", "--for", "1h", "--until", "06:00").exit_code == 2
    assert intake("resume", "shop").exit_code == 0
    assert "paused" not in way.status()


# Maintenance


def test_in_its_maintenance_an_account_is_not_called_and_no_order_pays_for_it(redis: Redis) -> None:
    story = Story(redis, Shop([[{"id": "1"}]]))
    accept(story, 3)
    story.fetches.add("shop", ["7"])
    story.rests = [60.0, 60.0]
    sweep(story)
    deliver(story)
    tasks.poll.poll(story, "shop", story.nudge)  # type: ignore[arg-type]
    tasks.fetch.fetch(story, "shop", story.nudge)  # type: ignore[arg-type]
    assert (story.warehouse.created, story.shop.asked, story.nudges) == ([], [], [])
    assert story.lanes["t"].status()["drains"] == 0
    story.rests = [0.0, 0.0]
    sweep(story)
    assert {("deliver", "t"), ("fetch", "shop")} <= set(story.nudges)
    deliver(story)
    assert len(story.warehouse.created) == 3
    assert "tries" not in story.state("0")


def test_a_maintenance_that_begins_in_the_middle_of_a_drain_stops_it_and_costs_no_try(redis: Redis) -> None:
    story = Story(redis, Shop([]))
    accept(story, 3)
    story.warehouse.trouble = [None, TargetDown("maintenance", 60.0)]
    deliver(story)
    status = story.lanes["t"].status()
    assert (len(story.warehouse.created), status["queued"], status["snoozed"]) == (2, 1, 1) or (
        len(story.warehouse.created) == 1 and status["queued"] == 2
    )
    assert status.get("retried", 0) == 0


def test_the_maintenance_of_the_settings_is_a_gate_before_every_call(make: Make) -> None:
    always = '\nmaintenance = ["daily 00:00-24:00"]\nmaintenance_zone = "Europe/Amsterdam"'
    way = make(3, limits=["retailcrm=off"]).open()
    way.poll()
    way.open(target=f'placeholder = "-"{always}', provider=always)
    calls = len(way.box.journal(kind="request"))
    way.poll()
    way.deliver()
    with pytest.raises(TargetDown):
        way.rt.targets["dropday"].find("1")
    with pytest.raises(TargetDown):
        way.rt.providers["shop"].check()
    assert len(way.box.journal(kind="request")) == calls
    assert "maintenance " in intake("status").output
    way.open()
    way.deliver_all()
    assert len(way.created()) == 3


# The breaker


def test_after_a_breaker_s_pause_one_probe_goes_out_and_a_failing_one_closes_the_lane_for_longer(redis: Redis) -> None:
    story = Story(redis, Shop([]))
    lane = story.lanes["t"]
    accept(story, 20)
    failure = Outcome("retry", "unavailable", "refused")
    with lane.drain() as drain:
        drain.settle([(claim, failure) for claim in drain.claim(BREAKER)])
        drain.leave()
    pauses = []
    for _ in range(9):
        closed_until = int(redis.hget(lane.keys.lane, "closed_until") or 0)
        pauses.append(round((closed_until - story.cursors.now()) / 1000))
        assert lane.drain().claim(5) == [], "closed"
        pass_time(story, pauses[-1] + 1)
        with lane.drain() as first, lane.drain() as second:
            claims = first.claim(5)
            assert len(claims) == 1, "one probe"
            assert second.claim(5) == [], "of one drain"
            assert first.settle([(claims[0], failure)]) == ["queued"]
            first.leave()
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    pass_time(story, 61)
    with lane.drain() as drain:
        (probe,) = drain.claim(5)
        drain.settle([(probe, Outcome("delivered", extra="1"))])
        assert len(drain.claim(5)) == 5, "open"


def test_a_target_that_is_down_for_twelve_hours_buries_nothing_and_is_drained_at_its_rate_when_it_is_back(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.attempt.backoff", lambda tries: min(600.0, 2.0**tries))
    story = Story(redis, Shop([]))
    story.lanes["t"] = Lane(
        redis, "t", Scope(redis, "t", (Limit(40, 1.0),)), lease=5.0, heartbeat=1.0, max_tries=4, concurrency=2
    )
    accept(story, 40)
    down, passed = Unavailable("connection refused"), 0.0
    while passed < 12 * 3600:
        story.warehouse.trouble = [down] * 50
        deliver(story)
        pass_time(story, 60)
        passed += 60
    status = story.lanes["t"].status()
    assert (status["dead_now"], status["in_doubt_now"], status["queued"]) == (0, 0, 40)
    story.warehouse.trouble = []
    times: list[float] = []
    create = story.warehouse.create

    def timed(*args: object) -> object:
        story.lanes["t"].scope.enter()
        times.append(time.monotonic())
        return create(*args)  # type: ignore[arg-type]

    story.warehouse.create = timed  # type: ignore[assignment]
    pass_time(story, 700)
    while story.lanes["t"].status()["queued"]:
        deliver(story)
    assert len(story.warehouse.created) == 40
    assert max(sum(start <= at < start + 1.0 for at in times) for start in times) <= 41
    assert len(times) == 40
