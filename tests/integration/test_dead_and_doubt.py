"""Dead orders and orders in doubt, settled by an operator or by the target, on a real Redis."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import tasks.deliver
import tasks.doubt
import tasks.fetch
import tasks.poll
import tasks.sweep
from support.fake_runtime import Editable, FakeRuntime, Shop, Slow, Warehouse
from support.orders import order
from tasks.attempt import attempt
from worker.doubt import ask, finder
from worker.errors import AuthFailed, Rejected, Unavailable, Uncertain
from worker.settings.routes import Route
from worker.store.orders import stuck
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome
from worker.store.orders.lanes import ASK_EVERY
from worker.store.orders.pace import Pace
from worker.store.orders.stuck import Filter, StuckOrder
from worker.systems.provider import Record
from worker.systems.target import Receipt

if TYPE_CHECKING:
    from redis import Redis

LONG_AGO = 1_000_000


def poll(rt: FakeRuntime, *records: dict[str, Any]) -> None:
    rt.shop.pages = [*rt.shop.pages, list(records)]
    tasks.poll.poll(rt, "shop", rt.nudge)


def deliver(rt: FakeRuntime) -> None:
    tasks.deliver.deliver(rt, "t", rt.nudge)


def sweep(rt: FakeRuntime) -> None:
    tasks.sweep.sweep(rt, rt.nudge)


def refuse(_: str) -> None:
    raise Rejected("the list does not show order numbers")


def dead(redis: Redis, *ids: int, warehouse: Warehouse | None = None) -> FakeRuntime:
    """Return a runtime in which the orders of these ids were rejected."""
    rt = FakeRuntime(redis, Shop([]), warehouse or Warehouse())
    rt.warehouse.trouble = [Rejected("422: city", {"city": ["is required"]}) for _ in ids]
    poll(rt, *({"id": n, "version": 1} for n in ids))
    deliver(rt)
    assert [rt.state(str(n))["state"] for n in ids] == ["dead"] * len(ids)
    return rt


def doubtful(redis: Redis, warehouse: Warehouse | None = None, **options: Any) -> FakeRuntime:
    """Return a runtime in which the response to order 1 was lost and the search for it failed."""
    rt = FakeRuntime(redis, Shop([]), warehouse or Slow(), **options)
    poll(rt)  # from now on the ledger is not new
    rt.warehouse.after = [Uncertain("cut")]
    rt.warehouse.before_find = refuse
    poll(rt, {"id": 1, "version": 1})
    deliver(rt)
    rt.warehouse.before_find = lambda _: None
    assert rt.state("1")["state"] == "in_doubt"
    return rt


def move(rt: FakeRuntime, action: stuck.Move, **options: str) -> str:
    return rt.stuck["t"].move(action, ["shop:1"], **options)["shop:1"]


def doubtful_order(rt: FakeRuntime) -> StuckOrder:
    ((stuck_order,),) = rt.stuck["t"].orders("in_doubt", Filter())
    return stuck_order


def events(rt: FakeRuntime) -> list[str]:
    return [event for _, event in rt.ledger.entries(["t"], "shop:1")[0].history]


@pytest.fixture(autouse=True)
def _retries_without_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every retry due at once."""
    monkeypatch.setattr("tasks.attempt.backoff", lambda _: 0.0)


def test_a_replayed_order_is_delivered_under_its_old_reference(redis: Redis) -> None:
    rt = dead(redis, 1)
    assert move(rt, "replay") == "moved"
    deliver(rt)
    assert [reference for reference, _ in rt.warehouse.created] == ["1"]
    assert rt.state("1")["state"] == "delivered"
    assert rt.lanes["t"].status()["dead_now"] == 0
    assert "replayed by hand" in events(rt)


def test_a_replay_that_fails_again_has_only_the_new_reason(redis: Redis) -> None:
    rt = dead(redis, 1)
    rt.warehouse.trouble = [Rejected("422: phone")]
    move(rt, "replay")
    deliver(rt)
    assert (rt.state("1")["state"], rt.state("1")["detail"]) == ("dead", "422: phone")
    assert "fields" not in rt.state("1")


def test_a_replay_resets_the_tries(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]))
    poll(rt)  # from now on the ledger is not new
    rt.warehouse.trouble = [Unavailable("down")] * 4
    poll(rt, {"id": 1})
    deliver(rt)
    assert rt.state("1")["state"] == "dead"
    rt.redis.hdel("intake:lane:t", "failures", "closed_until")
    rt.warehouse.trouble = [Unavailable("down")] * 3
    move(rt, "replay")
    deliver(rt)
    assert rt.state("1")["state"] == "delivered"


def test_an_order_is_replayed_once_however_often_it_is_requested(redis: Redis) -> None:
    rt = dead(redis, 1)
    assert [move(rt, "replay"), move(rt, "replay")] == ["moved", "queued"]
    deliver(rt)
    assert move(rt, "replay") == "delivered"
    deliver(rt)
    assert len(rt.warehouse.created) == 1
    assert rt.stuck["t"].move("replay", ["shop:9"]) == {"shop:9": ""}


def test_a_replay_of_a_poison_order_that_was_created_makes_no_duplicate(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]))
    poll(rt, {"id": 1})
    redis.hset("intake:order:t:shop:1", mapping={"lost": 4, "died": "a b c d"})
    with rt.lanes["t"].drain() as drain:
        (claim,) = drain.claim(1)
        rt.warehouse.create(order("1"), claim.reference)
        redis.zadd("intake:lane:t:drains", {drain.name: 0})
        assert rt.lanes["t"].sweep().buried == 1
    assert rt.state("1")["code"] == "poison"
    move(rt, "replay")
    assert rt.state("1")["lost"] == "2"
    deliver(rt)
    assert (rt.state("1")["state"], len(rt.warehouse.created)) == ("delivered", 1)


def test_a_dead_change_is_replayed_and_discarded_as_a_change(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]), Editable())
    assert isinstance(rt.warehouse, Editable)
    poll(rt, {"id": 1, "version": 1})
    deliver(rt)
    for version in (2, 3):
        rt.warehouse.trouble = [Rejected("422: note")]
        poll(rt, {"id": 1, "version": version, "note": f"v{version}"})
        deliver(rt)
        assert rt.state("1")["state"] == "dead"
        assert move(rt, "replay" if version == 2 else "discard") == "moved"
        deliver(rt)
        assert rt.state("1")["state"] == "delivered"
    assert (len(rt.warehouse.created), rt.warehouse.updated) == (1, [("1", "1", "v2")])
    assert events(rt)[-1] == "change discarded by hand"
    assert "code" not in rt.state("1")
    assert redis.keys("intake:payload:*") == []


def test_a_discarded_order_stays_discarded_until_it_changes(redis: Redis) -> None:
    rt = dead(redis, 1)
    assert [move(rt, "discard"), move(rt, "discard")] == ["moved", "discarded"]
    assert redis.keys("intake:payload:*") == []
    assert "fields" not in rt.state("1")
    assert redis.pttl("intake:history:t:shop:1") > 0
    poll(rt, {"id": 1, "version": 1})
    deliver(rt)
    assert (rt.state("1")["state"], rt.warehouse.created) == ("discarded", [])
    poll(rt, {"id": 1, "version": 2, "note": "corrected"})
    assert redis.pttl("intake:history:t:shop:1") == -1
    deliver(rt)
    assert (rt.state("1")["state"], len(rt.warehouse.created)) == ("delivered", 1)


def test_a_discarded_order_that_changes_and_is_unwanted_leaves_no_personal_data(redis: Redis) -> None:
    rt = dead(redis, 1)
    move(rt, "discard")
    unwanted = Delivery(order("1", version=2, note="changed"), "1", "its status is cancelled")
    assert rt.ledger.accept("t", [unwanted], "test").results == ("unwanted",)
    assert redis.keys("intake:payload:*") == []


def test_dead_orders_are_selected_by_provider_reason_pattern_and_age(redis: Redis) -> None:
    rt = dead(redis, 1, 2, 12)
    redis.zadd("intake:lane:t:dead", {"shop:2": LONG_AGO})
    redis.hset("intake:order:t:shop:12", "detail", "422: Phone")

    def selected(**filters: Any) -> set[str]:
        return {dead_order.key for batch in rt.stuck["t"].orders("dead", Filter(**filters)) for dead_order in batch}

    assert selected() == {"shop:1", "shop:2", "shop:12"}
    assert (selected(provider="shop"), selected(provider="sho")) == (selected(), set())
    assert (selected(reason="phone"), selected(reason="rejected")) == ({"shop:12"}, selected())
    assert selected(pattern="shop:1*") == {"shop:1", "shop:12"}
    assert (selected(older=60.0), selected(newer=60.0)) == ({"shop:2"}, {"shop:1", "shop:12"})
    assert selected(keys=frozenset({"shop:1", "shop:7"})) == {"shop:1"}


def test_orders_moved_during_a_listing_are_listed_once_even_if_they_die_again(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stuck, "_CHUNK", 4)
    rt = dead(redis, *range(1, 12))
    listed: list[str] = []
    for batch in rt.stuck["t"].orders("dead", Filter()):
        assert len(batch) <= 4
        listed += [dead_order.key for dead_order in batch]
        rt.stuck["t"].move("replay", [dead_order.key for dead_order in batch[1:]])
        rt.warehouse.trouble = [Rejected("again")] * 4
        deliver(rt)
    assert sorted(listed) == sorted(f"shop:{n}" for n in range(1, 12))
    assert rt.lanes["t"].status()["dead_now"] == 11


@pytest.mark.parametrize("on_change", ["update", "hold", "ignore"])
def test_an_order_resolved_as_delivered_sends_its_later_change(redis: Redis, on_change: Any) -> None:
    rt = doubtful(redis, Editable(), routes=(Route(source="shop", targets=("t",), on_change=on_change),))
    poll(rt, {"id": 1, "version": 2, "note": "changed"})
    assert move(rt, "delivered", target_id="T7") == "moved"
    deliver(rt)
    assert isinstance(rt.warehouse, Editable)
    assert rt.warehouse.updated == ([("1", "T7", "changed")] if on_change == "update" else [])
    assert rt.state("1")["state"] == ("held" if on_change == "hold" else "delivered")
    assert rt.state("1")["target_id"] == "T7"
    assert len(rt.warehouse.created) == 1


def test_an_unchanged_order_resolved_as_delivered_is_finished(redis: Redis) -> None:
    rt = doubtful(redis)
    move(rt, "delivered")
    deliver(rt)
    assert rt.state("1")["state"] == "delivered"
    assert redis.keys("intake:payload:*") == []
    assert isinstance(rt.warehouse, Slow)
    assert rt.warehouse.taken == {"1": [0]}
    assert rt.lanes["t"].status()["in_doubt_now"] == 0


@pytest.mark.parametrize("find", ["succeeds", "fails"])
def test_an_order_resolved_as_missing_is_resent_although_its_target_cannot_settle(redis: Redis, find: str) -> None:
    rt = doubtful(redis)
    assert isinstance(rt.warehouse, Slow)
    if find == "fails":
        rt.warehouse.before_find = refuse
    move(rt, "send")
    deliver(rt)
    assert rt.state("1")["state"] == "delivered"
    assert len(rt.warehouse.created) == 1


def test_an_order_resolved_as_missing_by_mistake_is_found_before_it_is_resent(redis: Redis) -> None:
    rt = doubtful(redis, Warehouse())
    move(rt, "send")
    deliver(rt)
    assert (rt.state("1")["state"], len(rt.warehouse.created)) == ("delivered", 1)


def test_a_resolution_counts_for_one_attempt_only(redis: Redis) -> None:
    rt = doubtful(redis)
    assert isinstance(rt.warehouse, Slow)
    move(rt, "send")
    rt.warehouse.after = [Uncertain("cut again")]
    deliver(rt)
    assert rt.state("1")["state"] == "in_doubt"
    assert rt.warehouse.taken == {"1": [0, 0]}


def test_an_order_given_up_in_doubt_is_looked_up_when_it_is_replayed(redis: Redis) -> None:
    rt = doubtful(redis, Warehouse())
    assert move(rt, "bury") == "moved"
    assert (rt.state("1")["state"], rt.state("1")["code"]) == ("dead", "given_up")
    move(rt, "replay")
    deliver(rt)
    assert (rt.state("1")["state"], len(rt.warehouse.created)) == ("delivered", 1)


def test_an_order_that_is_no_longer_in_doubt_cannot_be_resolved(redis: Redis) -> None:
    rt = doubtful(redis)
    move(rt, "delivered", target_id="T1")
    for action in ("delivered", "send", "again", "bury", "note"):
        assert move(rt, action, target_id="T2") == "delivered"
    assert rt.state("1")["target_id"] == "T1"
    deliver(rt)
    assert isinstance(rt.warehouse, Slow)
    assert rt.warehouse.taken == {"1": [0]}


def test_a_doubt_check_finds_an_order_that_exists(redis: Redis) -> None:
    rt = doubtful(redis, Warehouse())
    assert ask(rt.warehouse, rt.stuck["t"], doubtful_order(rt), finder(rt.warehouse)) == "found"
    assert (rt.state("1")["state"], rt.state("1")["target_id"]) == ("delivered", "1")
    assert events(rt)[-1] == "delivered 1 existed, asked"


def test_a_doubt_check_requeues_an_order_that_is_certainly_absent(redis: Redis) -> None:
    rt = doubtful(redis, Warehouse())
    lost = rt.warehouse.created.pop()
    assert ask(rt.warehouse, rt.stuck["t"], doubtful_order(rt), finder(rt.warehouse)) == "again"
    rt.warehouse.created.append(lost)  # the lost request arrived late
    deliver(rt)
    assert (rt.state("1")["state"], len(rt.warehouse.created)) == ("delivered", 1)


def test_a_doubt_check_of_a_target_that_cannot_settle_sends_nothing_and_updates_the_reason(redis: Redis) -> None:
    rt = doubtful(redis)
    before = rt.state("1")["detail"]
    for _ in range(2):
        assert ask(rt.warehouse, rt.stuck["t"], doubtful_order(rt), finder(rt.warehouse)) == "unknown"
    deliver(rt)
    assert isinstance(rt.warehouse, Slow)
    assert rt.warehouse.taken == {"1": [0]}
    assert (rt.state("1")["state"], rt.state("1")["code"]) == ("in_doubt", "uncertain")
    assert rt.state("1")["detail"] != before
    assert sum(event.startswith("still in doubt") for event in events(rt)) == 1


@pytest.mark.parametrize(
    ("error", "result", "code"),
    [
        (Unavailable("down"), "away", "unavailable"),
        (AuthFailed("401"), "away", "rejected"),
        (Rejected("400"), "unknown", "rejected"),
        (KeyError("name"), "unknown", "bug"),
    ],
)
def test_a_failed_doubt_check_leaves_the_order_in_doubt(redis: Redis, error: Exception, result: str, code: str) -> None:
    rt = doubtful(redis, Warehouse())

    def fail(_: str) -> None:
        raise error

    rt.warehouse.before_find = fail
    assert ask(rt.warehouse, rt.stuck["t"], doubtful_order(rt), finder(rt.warehouse)) == result
    assert (rt.state("1")["state"], rt.state("1")["code"]) == ("in_doubt", code)


def test_an_order_in_doubt_at_a_step_resumes_from_that_step(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]), Slow())
    poll(rt, {"id": 1})
    with rt.lanes["t"].drain() as drain:
        (claim,) = drain.claim(1)
        drain.settle([(claim, attempt(rt.warehouse, claim))])
        for _ in range(4):
            (claim,) = drain.claim(1)
            failed = Outcome("retry", "unavailable", "down")
            drain.settle([(claim, failed)])
    assert rt.state("1")["state"] == "in_doubt"
    assert ask(rt.warehouse, rt.stuck["t"], doubtful_order(rt), finder(rt.warehouse)) == "again"
    deliver(rt)
    assert isinstance(rt.warehouse, Slow)
    assert rt.warehouse.taken == {"1": [2]}
    assert rt.state("1")["state"] == "delivered"


def test_old_doubts_are_checked_automatically_and_not_again_at_once(redis: Redis) -> None:
    rt = doubtful(redis)
    sweep(rt)
    assert ("doubt", "t") not in rt.nudged
    assert tasks.doubt.settle_doubts(rt, "t") == {}
    redis.delete("intake:lane:t")
    redis.zadd("intake:lane:t:doubt", {"shop:1": LONG_AGO})
    sweep(rt)
    assert rt.nudged.count(("doubt", "t")) == 1
    assert tasks.doubt.settle_doubts(rt, "t") == {"unknown": 1}
    sweep(rt)
    assert rt.nudged.count(("doubt", "t")) == 1
    redis.hincrby("intake:lane:t", "asked", -ASK_EVERY)
    rt.lanes["t"].pause("stocktaking")
    sweep(rt)
    assert rt.nudged.count(("doubt", "t")) == 1
    rt.lanes["t"].resume()
    sweep(rt)
    assert rt.nudged.count(("doubt", "t")) == 2


def test_a_round_of_doubt_checks_stops_after_a_few_unsettled_orders(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]), Warehouse())
    for n in range(1, 31):
        redis.hset(f"intake:order:t:shop:{n}", mapping={"state": "in_doubt", "reference": str(n), "uncertain": "1"})
        redis.hset(f"intake:order:t:shop:{n}", mapping={"fingerprint": "f", "version": "1"})
        redis.zadd("intake:lane:t:doubt", {f"shop:{n}": LONG_AGO})
        rt.warehouse.created.append((str(n), order(str(n))))
    rt.warehouse.before_find = refuse
    assert tasks.doubt.settle_doubts(rt, "t") == {"unknown": tasks.doubt.MOST_UNKNOWN}
    rt.warehouse.before_find = lambda _: None
    assert tasks.doubt.settle_doubts(rt, "t") == {"found": 30}
    assert rt.lanes["t"].status()["in_doubt_now"] == 0


def test_after_the_first_search_a_round_of_doubt_checks_makes_several_at_once(redis: Redis) -> None:
    rt = doubtful(redis, Warehouse())
    for n in range(1, 6):
        redis.hset(f"intake:order:t:shop:{n}", mapping={"state": "in_doubt", "reference": str(n), "uncertain": "1"})
        redis.zadd("intake:lane:t:doubt", {f"shop:{n}": LONG_AGO})
    rt.lanes["t"].pace = Pace()  # of a process that has called this target never before
    began, together = list[str](), threading.Barrier(2, timeout=10)

    def meet(reference: str) -> None:
        began.append(reference)
        if len(began) == 1:
            time.sleep(0.15)  # a target that is far away, behind 10 calls a second
        else:
            together.wait()

    rt.warehouse.before_find = meet
    assert tasks.doubt.settle_doubts(rt, "t") == {"found": 1, "again": 4}
    assert sorted(began) == ["1", "2", "3", "4", "5"]


def test_a_target_without_search_is_listed_once_in_a_round_of_doubt_checks(redis: Redis) -> None:
    class Walked(Warehouse):
        walks = True
        walked = 0

        def everything(self) -> Any:
            self.walked += 1
            return ((reference, Receipt(f"T{reference}")) for reference, _ in self.created)

    rt = doubtful(redis, Walked())
    redis.hset("intake:order:t:shop:2", mapping={"state": "in_doubt", "reference": "2", "uncertain": "1"})
    redis.zadd("intake:lane:t:doubt", {"shop:1": LONG_AGO, "shop:2": LONG_AGO})
    assert tasks.doubt.settle_doubts(rt, "t") == {"found": 1, "again": 1}
    assert isinstance(rt.warehouse, Walked)
    assert (rt.warehouse.walked, rt.warehouse.finds) == (1, 0)
    assert rt.state("1")["target_id"] == "T1"


def test_an_order_whose_response_is_always_lost_waits_for_an_operator_after_a_few_rounds(redis: Redis) -> None:
    rt = doubtful(redis, Warehouse())
    rt.warehouse.created.clear()
    rounds = []
    for _ in range(tasks.doubt.MOST_REQUEUES + 2):
        redis.zadd("intake:lane:t:doubt", {"shop:1": LONG_AGO})
        rounds.append(dict(tasks.doubt.settle_doubts(rt, "t")))
        redis.hdel("intake:lane:t", "failures", "closed_until")
        rt.warehouse.trouble = [Uncertain("500")] * 4
        deliver(rt)
    assert rounds == [{"again": 1}] * tasks.doubt.MOST_REQUEUES + [{}, {}]
    assert rt.state("1")["state"] == "in_doubt"
    rt.warehouse.trouble = []
    move(rt, "send")
    deliver(rt)
    assert (rt.state("1")["state"], len(rt.warehouse.created)) == ("delivered", 1)


def test_an_unavailable_target_is_called_once_in_a_round_of_doubt_checks(redis: Redis) -> None:
    rt = doubtful(redis, Warehouse())
    redis.zadd("intake:lane:t:doubt", {"shop:1": LONG_AGO, "shop:2": LONG_AGO})
    redis.hset("intake:order:t:shop:2", mapping={"state": "in_doubt", "reference": "2"})
    searches: list[str] = []

    def fail(reference: str) -> None:
        searches.append(reference)
        raise Unavailable("down")

    rt.warehouse.before_find = fail
    assert tasks.doubt.settle_doubts(rt, "t") == {"away": 1}
    assert len(searches) == 1


class Single(Shop):
    """A shop that also returns a single order: `record`."""

    record: Record | None = None

    def fetch_one(self, external_id: str) -> Record | None:
        return self.record


def test_a_refetched_record_removes_its_dead_letter_or_updates_the_reason(redis: Redis) -> None:
    rt = FakeRuntime(redis, Single([]))
    poll(rt, {"id": 7, "bad": True})
    rt.cursors.bury("shop", "7", "", "old", "old")
    for record, reasons in (
        ({"id": 7, "bad": True}, ["items[0].quantity: not a number"]),
        ({"id": 7}, []),
    ):
        rt.shop.record = Record(record)
        rt.fetches.add("shop", ["7"])
        tasks.fetch.fetch(rt, "shop", rt.nudge)
        assert [letter["reason"] for letter in rt.cursors.letters("shop").values()] == reasons
    assert rt.state("7")["state"] == "queued"
