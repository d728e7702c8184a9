"""Fencing: a process that is too late or fails changes nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import ResponseError

import tasks.deliver
import tasks.listen
import tasks.poll
from support.fake_runtime import Bulky, FakeRuntime, Shop, Slow, Warehouse
from support.gates import pass_gate
from support.orders import order
from support.pipeline import PLACEHOLDER
from worker.errors import IntakeError, LeaseLost, RateLimited, Rejected, Unavailable, Uncertain
from worker.runtime import Runtime, read_settings
from worker.store.feeds.cursors import Cursors, Poll
from worker.store.limits.limit import Limit
from worker.store.limits.limiter import Scope, interval_us
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome
from worker.store.redis.heartbeat import uptime

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from redis import Redis

    from schemas.order import Order
    from support.pipeline import MakePipeline
    from worker.systems.target import Pending, Receipt

LEASE = 0.6


def runtime_of(redis: Redis, warehouse: Warehouse | None = None, orders: int = 1) -> FakeRuntime:
    """Return a runtime with this number of orders in the lane."""
    rt = FakeRuntime(redis, Shop([]), warehouse or Warehouse(), lease=LEASE)
    rt.ledger.accept("t", [Delivery(order(str(n + 1)), str(n + 1)) for n in range(orders)], "test")
    return rt


def deliver(rt: FakeRuntime) -> None:
    tasks.deliver.deliver(rt, "t", rt.nudge)


def test_redis_refuses_a_drain_whose_lease_has_ended(redis: Redis) -> None:
    rt = runtime_of(redis, orders=2)
    late = rt.lanes["t"].drain()
    (claim,) = late.claim(1)
    time.sleep(LEASE + 0.1)
    late._heartbeat.confirm(uptime(), ours=True)  # the drain believes that its lease is valid
    assert late.settle([(claim, Outcome("delivered", extra="77"))]) == ["refused"]
    with pytest.raises(LeaseLost, match="taken over"):
        late.claim(1)


def test_a_removed_drain_cannot_renew_its_lease(redis: Redis) -> None:
    lane = runtime_of(redis).lanes["t"]
    with lane.drain() as drain:
        drain.claim(1)
        redis.zrem(lane.keys.drains, drain.name)
        time.sleep(LEASE / 2)
        with pytest.raises(LeaseLost):
            drain.check()
    assert redis.zcard(lane.keys.drains) == 0


def test_a_lease_that_could_not_be_renewed_counts_as_lost_in_its_own_process(redis: Redis) -> None:
    stopped = runtime_of(redis).lanes["t"].drain()
    stopped.claim(1)
    stopped.check()
    time.sleep(LEASE + 0.1)
    with pytest.raises(LeaseLost):
        stopped.check()


def test_an_order_taken_over_is_sent_before_the_backlog(redis: Redis) -> None:
    rt = runtime_of(redis)
    lane = rt.lanes["t"]
    lane.drain().claim(1)
    rt.ledger.accept("t", [Delivery(order("2"), "2")], "test")
    time.sleep(LEASE + 0.1)
    assert lane.sweep().freed == 1
    assert [claim.key for claim in lane.drain().claim(2)] == ["shop:1", "shop:2"]


def test_a_worker_stopped_for_longer_than_its_lease_sends_nothing(
    make_pipeline: MakePipeline, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = make_pipeline(1).open(target=f'{PLACEHOLDER}\n[clocks]\nlease = "900ms"\nheartbeat = "200ms"')
    pipeline.poll()
    target = pipeline.rt.targets["dropday"]
    create = target.create

    def stopped(order: Order, reference: str) -> Receipt | Pending:
        redis.delete(pipeline.rt.lanes["dropday"].keys.drains)  # as a sweep does with a drain that it considers dead
        time.sleep(0.5)
        return create(order, reference)

    monkeypatch.setattr(target, "create", stopped)
    pipeline.deliver()
    assert pipeline.created() == []


def test_a_poll_does_not_move_a_cursor_that_was_set_meanwhile(redis: Redis) -> None:
    cursors = Cursors(redis, lease=LEASE, heartbeat=LEASE / 4)
    with cursors.poll("p", 0) as poll:
        assert isinstance(poll, Poll)
        redis.hset("intake:cursor:p", "value", "elsewhere")
        with pytest.raises(LeaseLost):
            poll.advance("a", more=False, records=1)
    assert cursors.status("p")["value"] == "elsewhere"


def test_a_poll_that_lost_its_lease_does_not_release_the_lease_of_the_next(redis: Redis) -> None:
    with Cursors(redis, lease=LEASE, heartbeat=LEASE / 4).poll("p", 0):
        redis.set("intake:poll:p", "the next")
    assert redis.get("intake:poll:p") == "the next"


def test_a_limit_stays_closed_for_the_longest_requested_time(redis: Redis) -> None:
    scope = Scope(redis, "s", (Limit(10, 1.0),))
    scope.close(5.0)
    scope.close(0.2)
    assert scope.closed_seconds() > 4


def test_a_drain_waits_for_a_limit_that_is_closed_for_a_moment(redis: Redis) -> None:
    scope = Scope(redis, "s", (Limit(10, 1.0),))
    scope.close(0.4)
    began = time.monotonic()
    pass_gate(scope)
    assert time.monotonic() - began > 0.3


def test_accounts_that_share_a_scope_use_the_tightest_limit(
    tmp_path: Path, redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANY", redis_url)
    account = 'kind = "retailcrm"\nurl = "http://127.0.0.1:9/{0}"\napi_key = "env:ANY"\n'
    text = '[redis]\nurl = "env:ANY"\n'
    for name, limit in (("a", "8/s"), ("b", "2/s"), ("c", "5/s")):
        text += f'[providers.{name}]\nstart = "2020-01-01"\n{account.format(name)}limit = "{limit}"\n'
        text += f'[[routes]]\nfrom = "{name}"\nto = ["t"]\nreference = "{{provider}}:{{external_id}}"\n'
    text += f"[targets.t]\n{account.format('t')}"
    file = tmp_path / "intake.toml"
    file.write_text(text)
    with Runtime(read_settings(file)) as rt:
        assert [scope.interval for scope in rt.scopes.values()] == [interval_us((Limit(2, 1.0),))]


def test_redis_refuses_a_taker_whose_lease_has_ended(redis: Redis) -> None:
    rt = runtime_of(redis)
    rt.inbox.push(['{"v": 1, "provider": "shop", "external_id": "1"}'])
    late = rt.inbox.taker()
    assert len(late.take(1).jobs) == 1
    time.sleep(LEASE + 0.1)
    late._heartbeat.confirm(uptime(), ours=True)
    with pytest.raises(LeaseLost):
        late.finish({}, [])
    assert rt.inbox.free() == 1


def test_a_job_whose_taker_fails_is_taken_by_the_next(redis: Redis) -> None:
    rt = runtime_of(redis, orders=0)
    rt.inbox.push(['{"v": 1, "provider": "shop", "record": {"id": "7"}}'])
    redis.set("intake:lane:t", "not a hash")
    with pytest.raises(ResponseError), rt.inbox.taker() as failing:
        tasks.listen.take(rt, failing, rt.nudge)
    redis.delete("intake:lane:t")
    time.sleep(LEASE + 0.1)
    assert rt.inbox.free() == 1
    with rt.inbox.taker() as successor:
        tasks.listen.take(rt, successor, rt.nudge)
    assert rt.state("7")["state"] == "queued"


def test_an_order_that_is_being_fetched_is_not_claimed_again(redis: Redis) -> None:
    rt = runtime_of(redis)
    rt.fetches.add("shop", ["1", "1"])
    assert [fetch.external_id for fetch in rt.fetches.claim("shop", 5)] == ["1"]
    assert rt.fetches.claim("shop", 5) == []


def test_an_order_whose_adapter_crashed_after_sending_is_looked_up_first_with_an_old_ledger_too(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.attempt.backoff", lambda _: 0.0)
    rt = runtime_of(redis)
    rt.warehouse.after = [KeyError("id")]
    deliver(rt)
    assert (len(rt.warehouse.created), rt.warehouse.finds) == (1, 1)


class Throttled(Warehouse):
    """A target that throttles every create and closes the limit for all callers."""

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self.scope, self.calls = scope, list[str]()

    def create(self, order: Order, reference: str) -> Receipt:
        self.calls.append(reference)
        raise RateLimited("slow down", self.scope.close(60.0))


def test_a_rate_limit_response_stops_the_rest_of_the_batch(redis: Redis) -> None:
    throttled = Throttled(Scope(redis, "t", ()))
    rt = runtime_of(redis, throttled, orders=3)
    deliver(rt)
    assert len(throttled.calls) == 1
    assert rt.lanes["t"].status()["queued"] == 3


class NeverResuming(Slow):
    """A target that accepts an order and never reports its progress."""

    def resume(self, order: Order, reference: str, step: str) -> Receipt | Pending:
        raise Unavailable("no answer")


def test_a_pending_order_that_its_target_never_reports_again_is_in_doubt(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.attempt.backoff", lambda _: 0.0)
    rt = runtime_of(redis, NeverResuming())
    deliver(rt)
    assert rt.state("1")["state"] == "in_doubt"


class FirstBulkCallLost(Bulky):
    """A target that loses the response to its first bulk call."""

    def create_many(self, batch: Sequence[tuple[Order, str]]) -> list[Receipt | IntakeError]:
        made: list[Any] = super().create_many(batch)
        if len(self.calls) == 1:
            raise Uncertain("cut")
        return made


def test_all_orders_of_a_bulk_call_without_a_response_are_looked_up_before_they_are_created(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.attempt.backoff", lambda _: 0.0)
    rt = runtime_of(redis, FirstBulkCallLost(), orders=3)
    deliver(rt)
    assert sorted(reference for reference, _ in rt.warehouse.created) == ["1", "2", "3"]
    assert rt.warehouse.finds == 3


class SearchingAbsent(Bulky):
    """A target that reports all absent orders in one search, unless the search fails."""

    def __init__(self, *search_errors: Exception | None) -> None:
        super().__init__()
        self.search_errors = list(search_errors)
        self.searches: list[list[str]] = []

    def absent(self, references: Collection[str]) -> Collection[str]:
        self.searches.append(list(references))
        if self.search_errors and (error := self.search_errors.pop(0)):
            raise error
        return set(references) - {reference for reference, _ in self.created}


def deliver_after_a_cut(redis: Redis, monkeypatch: pytest.MonkeyPatch, target: SearchingAbsent) -> None:
    """Deliver three orders whose first bulk call has no response."""
    monkeypatch.setattr("tasks.attempt.backoff", lambda _: 0.0)
    target.away = [Uncertain("cut")]
    rt = runtime_of(redis, target, orders=3)
    deliver(rt)
    assert sorted(reference for reference, _ in target.created) == ["1", "2", "3"]
    assert [rt.state(str(n))["state"] for n in (1, 2, 3)] == ["delivered"] * 3


def test_the_orders_of_a_bulk_call_that_was_not_accepted_are_looked_up_at_once_and_resent_together(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = SearchingAbsent()
    deliver_after_a_cut(redis, monkeypatch, target)
    assert target.calls == [["1", "2", "3"]] * 2
    assert target.searches == [["1", "2", "3"]]
    assert target.finds == 0


def test_orders_that_exist_after_a_bulk_call_without_a_response_are_not_created_with_the_absent_ones(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = SearchingAbsent()
    target.created.append(("2", order("2")))
    deliver_after_a_cut(redis, monkeypatch, target)
    assert target.calls == [["1", "2", "3"], ["1", "3"]]
    assert target.finds == 1


@pytest.mark.parametrize("error", [Unavailable("503"), Rejected("404"), RuntimeError("a mistake")])
def test_orders_are_looked_up_one_by_one_if_the_search_for_all_fails(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    target = SearchingAbsent(error)
    deliver_after_a_cut(redis, monkeypatch, target)
    assert target.finds == 3


class UnknownOutcome(Bulky):
    """A target that cannot report the outcome of a bulk call."""

    def create_many(self, batch: Sequence[tuple[Order, str]]) -> list[Receipt | IntakeError]:
        super().create_many(batch)
        return [Uncertain("accepted in part, and the search after it was cut") for _ in batch]


def test_a_bulk_call_with_an_unknown_outcome_counts_as_one_failure_of_the_lane(redis: Redis) -> None:
    rt = runtime_of(redis, UnknownOutcome(), orders=3)
    deliver(rt)
    assert redis.hget("intake:lane:t", "failures") == "1"
    assert [rt.state(str(n))["uncertain"] for n in (1, 2, 3)] == ["1", "1", "1"]
