"""Windows of a limit: how long they are remembered, which of them hold, and what a lane does while one is used up."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from support.gates import pass_gate
from support.orders import order
from worker.errors import RateLimited
from worker.store.limits.limit import Limit, combine_limits
from worker.store.limits.limiter import Scope
from worker.store.orders.delivery import Delivery
from worker.store.orders.lanes import Lane
from worker.store.orders.ledger import Ledger

if TYPE_CHECKING:
    from redis import Redis


def lane_with_orders(redis: Redis, scope: Scope) -> Lane:
    lane = Lane(redis, "t", scope, lease=5.0, heartbeat=1.0, max_tries=3, concurrency=2)
    Ledger(redis, lease=5.0).accept("t", [Delivery(order(str(n)), str(n)) for n in range(9)], "test")
    return lane


def claimed(lane: Lane) -> int:
    """Return the number of orders that a new drain claims."""
    with lane.drain() as drain:
        return len(drain.claim(50))


def calls(scope: Scope) -> int:
    """Return the number of calls that leave until the limit is used up."""
    count = 0
    with suppress(RateLimited):
        while count < 1000:
            pass_gate(scope)
            count += 1
    return count


def test_a_slot_that_is_not_used_costs_a_quota_nothing(redis: Redis) -> None:
    """Enter the gate without departing, as a call whose connection is refused."""
    scope = Scope(redis, "s", (Limit(1000, 1.0), Limit(4, 60.0)), patience=0.5)
    for _ in range(20):
        scope.enter()
    assert calls(scope) == 3, "half of four at once, and one"


@pytest.mark.parametrize("days", [1, 7, 30, 365])
def test_the_state_of_a_window_is_kept_for_as_long_as_the_window_lasts(redis: Redis, days: int) -> None:
    scope = Scope(redis, "s", (Limit(50, 1.0), Limit(20, days * 86_400.0)))
    for act in (scope.enter, scope.depart, lambda: scope.close(None)):
        act()
        assert redis.pttl("intake:limit:s") > days * 86_400_000


def test_a_spent_quota_hands_out_no_order_and_returns_when_it_opens(redis: Redis) -> None:
    scope = Scope(redis, "s", (Limit(1000, 1.0), Limit(4, 60.0)))
    lane = lane_with_orders(redis, scope)
    assert claimed(lane) == 3, "half of four at once, and one"
    assert calls(scope) == 3
    assert claimed(lane) == 0
    assert 20 < lane.sweep().closed <= 31


@pytest.mark.parametrize("limit", [Limit(1, 5.0), Limit(20, 86_400.0)])
def test_a_lane_whose_limit_is_slower_than_one_call_a_second_is_served(redis: Redis, limit: Limit) -> None:
    scope = Scope(redis, "s", (limit,))
    lane = lane_with_orders(redis, scope)
    assert claimed(lane) == 1
    pass_gate(scope)
    assert claimed(lane) == 0
    assert lane.sweep().closed > 4


def window(*texts: str) -> tuple[Limit, ...]:
    return tuple(Limit.parse(text) for text in texts)


@pytest.mark.parametrize(
    ("accounts", "together"),
    [
        ([("10/s", "6/d"), ("5/s",)], ("5/s", "6/d")),
        ([("5/s",), ("10/s", "6/d")], ("5/s", "6/d")),
        ([("10/s", "600/h", "9/d"), ("10/s", "500/h", "9000/d")], ("10/s", "500/h", "9/d")),
        ([("1/s",), ("100/m", "5000/h")], ("1/s",)),
        ([("2/s",), (), ("60/m",), ("5/s",)], ("60/m",)),
        ([(), ()], ()),
        ([("20/30d",), ("10/s", "100/d")], ("20/30d",)),
    ],
)
def test_accounts_that_share_an_address_keep_all_their_limits(
    accounts: list[tuple[str, ...]], together: tuple[str, ...]
) -> None:
    assert combine_limits(window(*texts) for texts in accounts) == window(*together)


def test_a_quota_of_one_account_holds_for_all_that_share_its_address(redis: Redis) -> None:
    limits = combine_limits([window("1000/s", "6/d"), window("500/s", "40/h")])
    assert sum(calls(Scope(redis, "s", limits)) for _ in range(2)) == 4
