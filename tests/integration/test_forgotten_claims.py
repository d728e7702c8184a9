"""Redis forgets a claim, an intention or a settlement right after it has returned: no order is created twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import tasks.deliver
import tasks.sending
from schemas.changes import Changes
from support.fake_runtime import Bulky, Editable, FakeRuntime, Shop, Slow, Warehouse
from support.forgetting import Rewind, forgotten
from support.orders import order
from tasks.overtime import Overtime
from worker.errors import LeaseLost
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome
from worker.store.redis import catalog

if TYPE_CHECKING:
    from redis import Redis

    from schemas.order import Order
    from worker.store.redis.catalog import Script

IDS = [str(number) for number in range(1, 6)]


def runtime_of(redis: Redis, warehouse: Warehouse) -> FakeRuntime:
    """Return a runtime with five orders in the lane."""
    rt = FakeRuntime(redis, Shop([]), warehouse, lease=5.0)
    rt.ledger.accept("t", [Delivery(order(number), number) for number in IDS], "test")
    return rt


def deliver(rt: FakeRuntime) -> None:
    tasks.deliver.deliver(rt, "t", rt.nudge)


def end_leases(rt: FakeRuntime) -> None:
    """End the lease of every drain, and free its orders."""
    drains = rt.lanes["t"].keys.drains
    for drain in rt.redis.zrange(drains, 0, -1):
        rt.redis.zadd(drains, {str(drain): 0})
    rt.lanes["t"].sweep()


def created(rt: FakeRuntime) -> list[str]:
    return sorted(reference for reference, _ in rt.warehouse.created)


@pytest.mark.parametrize("kind", [Warehouse, Bulky], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    ("script", "ends"),
    [(catalog.CLAIM, False), (catalog.SETTLE, False), (catalog.SETTLE, True), (catalog.LEAVE, True)],
    ids=lambda value: getattr(value, "name", "ends" if value is True else "continues"),
)
def test_no_order_is_lost_or_created_twice_if_redis_forgets(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, script: Script, kind: type[Warehouse], *, ends: bool
) -> None:
    """The drain that is concerned ends after its first claim, or goes on."""
    rt = runtime_of(redis, kind())
    if ends:
        monkeypatch.setattr(Overtime, "is_over", lambda _: True)
    with forgotten(redis, script):
        deliver(rt)
    for _ in range(6):
        end_leases(rt)
        deliver(rt)
    assert created(rt) == IDS
    assert {rt.state(number)["state"] for number in IDS} == {"delivered"}


def test_an_order_that_cannot_be_searched_for_is_not_sent_again(redis: Redis) -> None:
    """The target does not show yet what it took in: the order waits, and would end in doubt."""
    rt = runtime_of(redis, slow := Slow())
    with forgotten(redis, catalog.SETTLE):
        deliver(rt)
    assert {reference: len(taken) for reference, taken in slow.taken.items()} == dict.fromkeys(IDS, 1)
    waiting = {rt.state(number).get("uncertain") for number in IDS if rt.state(number)["state"] == "queued"}
    assert waiting == {"1"}


def test_nothing_is_sent_for_a_claim_that_redis_forgot(redis: Redis) -> None:
    rt = runtime_of(redis, Warehouse())
    with forgotten(redis, catalog.CLAIM):
        deliver(rt)
    assert created(rt) == []
    with rt.lanes["t"].drain() as other:
        assert {claim.uncertain for claim in other.claim(10)} == {""}, "no order is in doubt for it"


def test_a_claim_that_is_lost_while_its_orders_are_sent_ends_the_drain(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim that was made is forgotten later, with other writes: the orders that are not sent yet stay."""
    rt = runtime_of(redis, Warehouse())
    monkeypatch.setattr(tasks.sending, "CHECK_AFTER", -1.0)
    rewind = Rewind(redis)
    rewind.save()
    create = rt.warehouse.create

    def forget_then_create(order: Order, reference: str) -> object:
        if not rt.warehouse.created:
            rewind.restore()
        return create(order, reference)

    monkeypatch.setattr(rt.warehouse, "create", forget_then_create)
    deliver(rt)
    assert created(rt) == IDS[:1]


def test_a_response_that_was_lost_is_no_settlement_that_redis_forgot(redis: Redis) -> None:
    """The script is repeated with the same number: nothing was sent, so no order is uncertain."""
    rt = runtime_of(redis, Warehouse())
    with rt.lanes["t"].drain() as drain:
        drain.claim(2)
        drain._number, drain._held = 0, {}
        # A set of two has no order before Redis 7.2.
        assert sorted((claim.key, claim.uncertain) for claim in drain.claim(2)) == [("shop:1", ""), ("shop:2", "")]
        drain._held = {}
        assert {claim.uncertain for claim in drain.claim(2)} == {"1"}


def test_a_drain_that_holds_orders_after_all_is_taken_over(redis: Redis) -> None:
    rt = runtime_of(redis, Warehouse())
    lane = rt.lanes["t"]
    with lane.drain() as drain:
        claims = drain.claim(2)
        with forgotten(redis, catalog.SETTLE):
            drain.settle([(claim, Outcome("release")) for claim in claims])
        drain.leave()
        assert redis.zrange(lane.keys.drains, 0, -1) == [drain.name]
        drain.settle([(claim, Outcome("release")) for claim in claims])
        drain.leave()
    assert redis.zcard(lane.keys.drains) == 0


def test_an_update_whose_intention_was_forgotten_leaves_nothing_known_of_the_target(redis: Redis) -> None:
    """A later update writes every field, also one that has changed back to what the ledger had known."""
    rt = runtime_of(redis, Editable())
    deliver(rt)
    changed = order("1", note="other", version=2)
    rt.ledger.accept("t", [Delivery(changed, "1")], "test", on_change="update")
    with forgotten(redis, catalog.INTEND):
        deliver(rt)
    back = order("1", version=3)
    rt.ledger.accept("t", [Delivery(back, "1")], "test", on_change="update")
    with rt.lanes["t"].drain() as drain:
        (claim,) = drain.claim(1)
    assert claim.is_update
    assert Changes.between(claim.sent_fields, back).touches("note")


def test_a_forgotten_intention_is_no_reason_to_lose_the_lease(redis: Redis) -> None:
    rt = runtime_of(redis, Editable())
    with rt.lanes["t"].drain() as drain:
        claims = drain.claim(5)
        with forgotten(redis, catalog.INTEND):
            drain.intend([(claim, b"1", b"2") for claim in claims])
        drain.check()
        redis.zrem(rt.lanes["t"].keys.drains, drain.name)
        with pytest.raises(LeaseLost):
            drain.intend([(claim, b"1", b"2") for claim in claims])
