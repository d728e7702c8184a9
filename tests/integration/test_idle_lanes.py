"""A sweep passes over lanes that are idle, and over no other one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from support.orders import order
from worker.store.limits.limiter import Scope
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome
from worker.store.orders.lanes import Lane, sweep_lanes
from worker.store.orders.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    #: Makes a lane busy.
    Busy = Callable[[Ledger, Lane], object]


def lane_of(redis: Redis, target: str) -> Lane:
    scope = Scope(redis, f"dropday:{target}", ())
    return Lane(redis, target, scope, lease=0.6, heartbeat=0.1, max_tries=3, concurrency=4)


def deliver(lane: Lane, outcome: Outcome) -> None:
    with lane.drain() as drain:
        drain.settle([(claim, outcome) for claim in drain.claim(1)])


def has_a_due_order(ledger: Ledger, lane: Lane) -> None:
    ledger.accept(lane.target, [Delivery(order("1"), "R1")], "test")


def has_a_bulk_order(ledger: Ledger, lane: Lane) -> None:
    ledger.accept(lane.target, [Delivery(order("1"), "R1")], "backfill shop")


def has_an_order_that_a_dead_drain_holds(ledger: Ledger, lane: Lane) -> None:
    has_a_due_order(ledger, lane)
    drain = lane.drain()  # not entered: nobody renews its lease
    assert drain.claim(1)
    lane.redis.zadd(lane.keys.drains, {drain.name: 2})


def has_an_order_in_doubt(ledger: Ledger, lane: Lane) -> None:
    has_a_due_order(ledger, lane)
    deliver(lane, Outcome("doubt", "uncertain", "cut", uncertain=True))
    lane.sweep()  # of the drain that has ended nothing is left
    lane.redis.zadd(lane.keys.doubt, {"shop:1": 1})


def has_an_order_to_be_searched_for(_: Ledger, lane: Lane) -> None:
    lane.redis.zadd(lane.keys.searches, {"shop:1": 1})


def is_paused(_: Ledger, lane: Lane) -> None:
    lane.pause("stocktaking", 60)


def has_an_old_note_of_an_order_that_waits(ledger: Ledger, lane: Lane) -> None:
    has_a_due_order(ledger, lane)
    lane.sweep()
    deliver(lane, Outcome("delivered", extra="7"))
    assert lane.redis.get(lane.keys.oldest)


BUSY: Final[tuple[Busy, ...]] = (
    has_a_due_order,
    has_a_bulk_order,
    has_an_order_that_a_dead_drain_holds,
    has_an_order_in_doubt,
    has_an_order_to_be_searched_for,
    is_paused,
    has_an_old_note_of_an_order_that_waits,
)


@pytest.mark.parametrize("busy", BUSY, ids=lambda busy: busy.__name__)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_busy_lane_is_swept_among_idle_ones_as_it_is_alone(redis: Redis, busy: Busy, place: int) -> None:
    ledger, results, notes = Ledger(redis, lease=0.6), [], []
    for alone in (True, False):
        redis.flushall()
        lanes = [lane_of(redis, f"idle{n}") for n in range(3)]
        lanes[place] = lane_of(redis, "t")
        busy(ledger, lanes[place])
        swept = sweep_lanes(redis, [lanes[place]] if alone else lanes)
        results.append(swept[0 if alone else place])
        notes.append(redis.get(lanes[place].keys.oldest))
        if not alone:
            assert all(each.due == each.freed == 0 for n, each in enumerate(swept) if n != place)

    def facts(number: int) -> tuple[object, ...]:
        swept = results[number]
        return swept.freed, swept.due, swept.drains, swept.paused, swept.doubts, swept.bulk

    assert facts(0) == facts(1)
    assert bool(notes[0]) == bool(notes[1])


def test_idle_lanes_cost_no_script_each(redis: Redis) -> None:
    lanes = [lane_of(redis, f"t{n}") for n in range(100)]
    sweep_lanes(redis, lanes)
    redis.config_resetstat()
    sweep_lanes(redis, lanes)
    calls = redis.info("commandstats")
    assert calls["cmdstat_evalsha"]["calls"] == 2, "one asks which lanes are idle, and one sweeps the first lane"


def test_a_sweep_of_idle_lanes_notices_a_new_server(redis: Redis) -> None:
    lanes = [lane_of(redis, f"t{n}") for n in range(3)]
    sweep_lanes(redis, lanes)
    redis.hset("intake:era", "server", "0" * 40)
    sweep_lanes(redis, lanes)
    assert redis.hget("intake:era", "since")
