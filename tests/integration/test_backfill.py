"""Backfills: a range is read again behind all live work, with its own cursor and its own share of the lane."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

import tasks.backfill
import tasks.deliver
import tasks.poll
import tasks.sweep
from support.fake_runtime import Editable, FakeRuntime, Shop, Warehouse
from support.orders import order
from worker.errors import AuthFailed, Unavailable
from worker.store.feeds.work import read_work
from worker.store.health.state import read_snapshot
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome

if TYPE_CHECKING:
    from redis import Redis

    from worker.store.orders.drains import Claim

SINCE, UNTIL = datetime(2126, 1, 1, tzinfo=UTC), datetime(2126, 2, 1, tzinfo=UTC)


def runtime_of(redis: Redis, pages: int = 0, size: int = 2, warehouse: Warehouse | None = None) -> FakeRuntime:
    records = [[{"id": f"{page}-{n}"} for n in range(size)] for page in range(pages)]
    return FakeRuntime(redis, Shop(records), warehouse or Warehouse(), lease=1.0)


def oldest(rt: FakeRuntime) -> float:
    snapshot = read_snapshot(rt.redis, rt.inbox, providers=(), targets={"t": 0.0}, limits={}, queues=(), pairs=())
    return snapshot.lanes["t"].oldest


def accept_bulk(rt: FakeRuntime, *ids: str, **fields: Any) -> tuple[str, ...]:
    return rt.ledger.accept(
        "t", [Delivery(order(order_id, **fields), order_id) for order_id in ids], "backfill shop"
    ).results


def accept_live(rt: FakeRuntime, *ids: str, **fields: Any) -> tuple[str, ...]:
    accepted = rt.ledger.accept(
        "t", [Delivery(order(order_id, **fields), order_id) for order_id in ids], "poll shop", on_change="update"
    )
    return accepted.results


def references(claims: list[Claim]) -> list[str]:
    return [claim.reference for claim in claims]


def read(rt: FakeRuntime) -> None:
    tasks.backfill.backfill(rt, "shop", rt.nudge)


def poll(rt: FakeRuntime) -> None:
    tasks.poll.poll(rt, "shop", rt.nudge)


def deliver(rt: FakeRuntime) -> None:
    tasks.deliver.deliver(rt, "t", rt.nudge)


# The lane


def test_bulk_orders_wait_behind_all_fresh_ones_and_a_single_drain_claims_them_one_by_one(
    redis: Redis,
) -> None:
    rt = runtime_of(redis)
    rt.lanes["t"].concurrency = 1
    accept_bulk(rt, *map(str, range(300)))
    accept_live(rt, "fresh")
    with rt.lanes["t"].drain() as drain:
        claims = drain.claim(50)
        assert (references(claims), claims[0].bulk) == (["fresh"], False)
        drain.settle([(claims[0], Outcome("delivered"))])
        claims = drain.claim(50)
        assert (len(claims), claims[0].bulk) == (1, True)
        accept_live(rt, "fresher")
        drain.settle([(claims[0], Outcome("delivered"))])
        assert references(drain.claim(50)) == ["fresher"]
    assert rt.lanes["t"].status()["backfilled"] == 299


def test_a_bulk_order_stays_bulk_when_it_is_retried_taken_over_or_released(redis: Redis) -> None:
    rt = runtime_of(redis)
    lane = rt.lanes["t"]
    accept_bulk(rt, "a")
    for outcome in (
        Outcome("retry"),
        Outcome("snooze"),
        Outcome("release"),
        Outcome("pending", extra="s"),
        Outcome("hold"),
        Outcome("bury"),
        Outcome("doubt"),
    ):
        kind = outcome.kind
        with lane.drain() as drain:
            (claim,) = drain.claim(1)
            drain.settle([(claim, outcome)])
            drain.leave()
        if kind == "hold":
            assert lane.release(["shop:a"], "send") == 1
        if kind == "bury":
            rt.stuck["t"].move("replay", ["shop:a"])
        if kind == "doubt":
            rt.stuck["t"].move("again", ["shop:a"])
        assert (lane.count_bulk(), lane.status()["queued"]) == (1, 1), kind
        assert abs(int(rt.ledger.entries(["t"], "shop:a")[0].due or 0) - rt.cursors.now()) < 60_000
        assert oldest(rt) < 60
    drain = lane.drain()
    assert drain.claim(1)[0].bulk
    redis.zadd(lane.keys.drains, {drain.name: 1})
    assert lane.sweep().freed == 1
    assert lane.count_bulk() == 1


@pytest.mark.parametrize("fields", [{}, {"note": "changed"}], ids=["the same", "changed"])
def test_an_order_of_a_poll_during_a_backfill_is_fresh(redis: Redis, fields: dict[str, Any]) -> None:
    rt = runtime_of(redis)
    accept_bulk(rt, "a", "b")
    accept_live(rt, "b", **fields)
    assert rt.lanes["t"].count_bulk() == 1
    with rt.lanes["t"].drain() as drain:
        (claim,) = drain.claim(50)
        assert (claim.reference, claim.bulk) == ("b", False)


def test_a_claimed_bulk_order_that_changes_becomes_fresh(redis: Redis) -> None:
    rt = runtime_of(redis, warehouse=Editable())
    accept_bulk(rt, "a")
    with rt.lanes["t"].drain() as drain:
        (claim,) = drain.claim(1)
        accept_live(rt, "a", note="changed", version=2)
        assert drain.settle([(claim, Outcome("delivered", extra="1"))]) == ["queued"]
        assert (rt.lanes["t"].count_bulk(), rt.lanes["t"].status()["queued"]) == (0, 1)


def test_a_backfill_does_not_make_a_fresh_order_bulk(redis: Redis) -> None:
    rt = runtime_of(redis)
    accept_live(rt, "a")
    assert accept_bulk(rt, "a") == ("same",)
    assert accept_bulk(rt, "a", note="newer", version=5) == ("replaced",)
    assert rt.lanes["t"].count_bulk() == 0


def test_a_delivered_order_is_no_longer_bulk(redis: Redis) -> None:
    rt = runtime_of(redis)
    accept_bulk(rt, "a")
    deliver(rt)
    assert rt.state("a")["state"] == "delivered"
    assert "bulk" not in rt.state("a")


def test_one_drain_is_reserved_for_fresh_orders_and_woken_for_them(redis: Redis) -> None:
    rt = runtime_of(redis)
    lane = rt.lanes["t"]
    accept_bulk(rt, *map(str, range(100)))
    with lane.drain() as first, lane.drain() as second:
        assert first.claim(1)[0].bulk
        assert second.claim(1) == []
        assert rt.ledger.accept("t", [Delivery(order("fresh"), "fresh")], "push shop").nudge
        assert references(second.claim(1)) == ["fresh"]
    rt.nudged.clear()
    tasks.sweep.sweep(rt, rt.nudge)
    assert rt.nudged.count(("deliver", "t")) == 0, "both drains are working"


def test_a_sweep_wakes_only_as_many_drains_as_may_do_bulk_work(redis: Redis) -> None:
    rt = runtime_of(redis)
    accept_bulk(rt, *map(str, range(200)))
    tasks.sweep.sweep(rt, rt.nudge)
    assert rt.nudged.count(("deliver", "t")) == 1


# Reading


def test_a_backfill_reads_its_range_and_does_not_move_the_cursor(redis: Redis) -> None:
    rt = runtime_of(redis, pages=3)
    rt.cursors.redis.hset("intake:cursor:shop", mapping={"value": "2", "finished": rt.cursors.now()})
    rt.backfills.begin("shop", SINCE, UNTIL)
    read(rt)
    status = rt.backfills.status("shop")
    assert (rt.shop.asked, status["records"], status["n_new"], "finished" in status) == (
        ["0", "1", "2"],
        "6",
        "6",
        True,
    )
    assert rt.cursors.status("shop")["value"] == "2"
    assert rt.lanes["t"].status()["new_by_backfill"] == rt.lanes["t"].count_bulk() == 6
    read(rt)
    assert len(rt.shop.asked) == 3
    assert "backfill" not in read_work(rt.redis, {"shop": 3600.0})["shop"]


def test_a_backfill_accepts_only_orders_placed_in_its_range(redis: Redis) -> None:
    shop = Shop([[{"id": "before", "ordered_at": "2025-12-31T23:59:59Z"}, {"id": "in"}]])
    shop.pages.append([{"id": "after", "ordered_at": "2126-02-01T00:00:00Z"}])
    rt = FakeRuntime(redis, shop)
    rt.backfills.begin("shop", SINCE, UNTIL)
    read(rt)
    status = rt.backfills.status("shop")
    assert (status["n_new"], status["n_outside"]) == ("1", "2")
    assert rt.state("in")["state"] == "queued"


def test_a_backfill_that_failed_or_was_killed_continues_from_its_page(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    rt = runtime_of(redis, pages=3)
    rt.backfills.begin("shop", SINCE, UNTIL)
    count = rt.backfills.count

    def count_and_fail_once(*args: Any) -> None:
        count(*args)
        rt.shop.trouble = [Unavailable("away")] if len(rt.shop.asked) == 1 else []

    monkeypatch.setattr(rt.backfills, "count", count_and_fail_once)
    read(rt)
    status = rt.backfills.status("shop")
    assert (status["value"], status["error"]) == ("1", "unavailable: away")
    assert "backfill" not in read_work(rt.redis, {"shop": 3600.0})["shop"], "it is retried later"
    redis.hdel("intake:backfill:shop", "retry_at")
    tasks.sweep.sweep(rt, rt.nudge)
    assert ("backfill", "shop") in rt.nudged
    read(rt)
    assert rt.shop.asked[-3:] == ["1", "1", "2"]
    assert rt.lanes["t"].count_bulk() == 6


def test_only_one_process_reads_a_backfill_and_an_overtaken_one_moves_nothing(redis: Redis) -> None:
    rt = runtime_of(redis, pages=2)
    rt.backfills.begin("shop", SINCE, UNTIL)
    with rt.backfills.run("shop") as run:
        assert not isinstance(run, str)
        read(rt)
        assert rt.shop.asked == []
        assert not rt.backfills.begin("shop", SINCE, datetime(2126, 3, 1, tzinfo=UTC))
        rt.backfills.pause("shop", "stopped")
        assert rt.backfills.begin("shop", SINCE, datetime(2126, 3, 1, tzinfo=UTC))
        with pytest.raises(Exception, match="moved by another"):
            run.advance("1", more=True, records=2)
    assert "value" not in rt.backfills.status("shop")


def test_a_stopped_backfill_reads_nothing_until_it_is_resumed(redis: Redis) -> None:
    rt = runtime_of(redis, pages=3)
    rt.backfills.begin("shop", SINCE, UNTIL)
    rt.backfills.pause("shop", "stopped")
    read(rt)
    assert (rt.shop.asked, "backfill" in read_work(rt.redis, {"shop": 3600.0})["shop"]) == ([], False)
    rt.backfills.resume("shop")
    read(rt)
    assert len(rt.shop.asked) == 3


def test_a_backfill_does_not_read_a_paused_provider_and_a_refused_key_pauses_it(redis: Redis) -> None:
    rt = runtime_of(redis, pages=3)
    rt.backfills.begin("shop", SINCE, UNTIL)
    rt.shop.trouble = [AuthFailed("401")]
    read(rt)
    assert rt.cursors.status("shop")["paused"] == "401"
    redis.hdel("intake:backfill:shop", "retry_at")
    read(rt)
    assert rt.shop.asked == ["0"]
    assert rt.backfills.status("shop")["waits"] == "shop is paused"


def test_a_backfill_stops_reading_while_enough_orders_wait(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.backfill.MOST_WAITING", 3)
    rt = runtime_of(redis, pages=5)
    rt.backfills.begin("shop", SINCE, UNTIL)
    for expected in ("2", "4"):
        redis.hdel("intake:backfill:shop", "retry_at")
        read(rt)
        assert rt.backfills.status("shop")["value"] == expected
        deliver(rt)
    assert "error" not in rt.backfills.status("shop")


def test_a_backfill_after_a_loss_of_the_ledger_looks_up_orders_of_any_age(redis: Redis) -> None:
    rt = runtime_of(redis, pages=2)
    rt.backfills.begin("shop", SINCE, UNTIL)
    read(rt)
    deliver(rt)
    assert len(rt.warehouse.created) == 4
    redis.flushall()
    # A poll has finished since then: for polls the ledger is no longer new.
    redis.hset("intake:cursor:shop", mapping={"walked": 1, "value": "2"})
    rt.backfills.begin("shop", SINCE, UNTIL)
    read(rt)
    deliver(rt)
    assert len(rt.warehouse.created) == 4
    assert rt.lanes["t"].status()["existed"] == 4


@pytest.mark.parametrize("task", ["poll", "backfill"])
def test_reading_that_is_cut_short_is_continued_at_once_and_finds_its_lease_free(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    rt = runtime_of(redis, 3)
    rt.set_clocks(poll=-1.0)
    if task == "backfill":
        rt.backfills.begin("shop", SINCE, UNTIL)
    read_once = poll if task == "poll" else read
    began: list[int] = []

    def nudge(wanted: str, _: str, count: int = 1) -> None:  # a worker that takes each nudge the moment it is sent
        del count
        if wanted == task:
            began.append(len(rt.shop.asked))
            read_once(rt)

    monkeypatch.setattr(rt, "nudge", nudge)
    read_once(rt)
    assert len(began) >= 2
    assert began == sorted(set(began)), "each nudge began a run that read a page"


def test_a_poll_runs_while_a_backfill_reads(redis: Redis) -> None:
    rt = runtime_of(redis, pages=2)
    rt.backfills.begin("shop", SINCE, UNTIL)
    with rt.backfills.run("shop") as run:
        assert not isinstance(run, str)
        poll(rt)
    assert rt.lanes["t"].status()["new_by_poll"] == 4
    assert rt.lanes["t"].count_bulk() == 0


def test_a_nudge_without_a_backfill_reads_nothing(redis: Redis) -> None:
    rt = runtime_of(redis, pages=2)
    read(rt)
    assert (rt.shop.asked, "backfill" in read_work(rt.redis, {"shop": 3600.0})["shop"]) == ([], False)
