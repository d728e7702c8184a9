"""An order is found by the id that its target gave it, live or archived, whatever happened to it since."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from support.command_line import intake
from support.console_world import DELIVERED, SETTINGS, an_order, put
from support.orders import order
from worker.store.limits.limiter import Scope
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome
from worker.store.orders.lanes import Lane
from worker.store.orders.ledger import Ledger
from worker.store.orders.stuck import Stuck
from worker.store.orders.target_ids import TargetIds

if TYPE_CHECKING:
    from redis import Redis

    from support.settings_texts import Configured


@pytest.fixture
def ledger(redis: Redis) -> Ledger:
    return Ledger(redis, lease=60.0)


@pytest.fixture
def lane(redis: Redis) -> Lane:
    return Lane(redis, "t", Scope(redis, "t", ()), lease=60.0, heartbeat=10.0, max_tries=3, concurrency=2)


def accept(ledger: Ledger, number: str, version: int = 1, on_change: Any = "update") -> Delivery:
    delivery = Delivery(order(number, version=version, note=f"v{version}"), f"R{number}")
    ledger.accept("t", [delivery], "poll shop", on_change=on_change)
    return delivery


def settle(lane: Lane, kind: Any, extra: str = "") -> None:
    """Settle everything that is due; "{}" in the extra is the number of the order."""
    with lane.drain() as drain:
        while claims := drain.claim(10):
            drain.settle([(claim, Outcome(kind, extra=extra.format(claim.reference[1:]))) for claim in claims])


def found(redis: Redis, target_id: str) -> list[str]:
    return [key for _, key in TargetIds(redis).find(["t"], target_id)]


def test_an_order_is_found_by_its_target_s_id_after_everything_that_can_happen_to_it(
    redis: Redis, ledger: Ledger, lane: Lane
) -> None:
    draw, version = random.Random(18), 1
    numbers = [str(number) for number in range(4)] + ["k" * 200]
    for number in numbers:
        accept(ledger, number)
    settle(lane, "delivered", "T-{}")
    seen: set[tuple[str, ...]] = set()
    for _ in range(50):
        number, version = draw.choice(numbers), version + 1
        key, act = f"shop:{number}", draw.choice(["update", "renamed", "hold", "resend", "create", "raced", "doubt"])
        standing = ledger.standing("t", key)
        if act in {"resend", "create"} and standing.state == "delivered":
            [entry] = ledger.entries(["t"], key)
            delivery = Delivery(order(number, version=version, note=f"v{version}"), f"R{number}")
            action: Any = "update" if act == "resend" else "create"
            ledger.resend(
                "t", delivery, action, seen=standing, source="test", target_id=entry.record.get("target_id", "")
            )
        else:
            accept(ledger, number, version, "hold" if act == "hold" else "update")
        if act == "raced":
            with lane.drain() as drain:
                claims = drain.claim(1)
                for claim in claims:
                    accept(ledger, claim.key.partition(":")[2], version + 1)
                    version += 1
                    drain.settle([(claim, Outcome("delivered", extra=f"T-{claim.reference[1:]}"))])
        elif act == "doubt":
            settle(lane, "doubt")
            move = Stuck(redis, "t").move("delivered", [key], target_id=f"D-{number}")
            seen.add(("move", *move.values()))
        elif act != "hold" and draw.random() < 0.7:
            settle(lane, "updated", "N-{}" if act == "renamed" else "T-{}")
        entries = ledger.entries_of({"t": [f"shop:{each}" for each in numbers]})
        for each in numbers:
            record = entries[f"shop:{each}"][0].record
            seen.add((record["state"], str("target_id" in record)))
            for target_id in (f"T-{each}", f"N-{each}", f"D-{each}"):
                wanted = [f"shop:{each}"] if record.get("target_id") == target_id else []
                assert found(redis, target_id) == wanted, (act, each, record)
    assert {("delivered", "True"), ("queued", "True"), ("held", "True"), ("queued", "False")} <= seen


@pytest.mark.parametrize("target_id", ["77", "ü-7", "t" * 600, "\x01\x02", "0"])
def test_an_id_is_found_as_a_whole_only(redis: Redis, ledger: Ledger, lane: Lane, target_id: str) -> None:
    accept(ledger, "1")
    settle(lane, "delivered", target_id.replace("{", ""))
    assert found(redis, target_id) == ["shop:1"]
    for other in (target_id[:-1], f"{target_id}0", target_id.upper() + "x", "", "\udc80"):
        assert found(redis, other) == []
    assert TargetIds(redis).find(["other"], target_id) == []


def test_an_order_without_an_id_takes_no_place(redis: Redis, ledger: Ledger, lane: Lane) -> None:
    accept(ledger, "1")
    settle(lane, "existed", "")
    assert redis.keys("intake:ids:*") == []


def test_an_id_costs_a_few_bytes_of_redis(redis: Redis, ledger: Ledger, lane: Lane) -> None:
    count = 1_000
    for first in range(0, count, 500):
        deliveries = [Delivery(order(str(at)), f"R{at}") for at in range(first, first + 500)]
        ledger.accept("t", deliveries, "poll shop")
    with lane.drain() as drain:
        while claims := drain.claim(500):
            drain.settle([(claim, Outcome("delivered", extra=f"48{claim.reference[1:]}")) for claim in claims])
    names = [str(name) for name in redis.keys("intake:ids:*")]
    assert len(names) <= 256
    # 256 keys are most of it: with a million orders they are nothing.
    cost = sum(int(redis.memory_usage(name) or 0) for name in names) / count
    assert cost < 40, cost
    assert found(redis, "48999") == ["shop:999"]


def test_show_finds_an_order_by_its_target_s_id_and_two_targets_may_give_the_same(configured: Configured) -> None:
    rt = configured.open(SETTINGS)
    put(rt, an_order("01"), warehouse=DELIVERED, returns=Outcome("delivered", extra="R-9"))
    put(rt, an_order("03", "shop-de"), warehouse=Outcome("delivered", extra="R-9"))
    assert json.loads(intake("show", "48291", "--json").output)["key"] == "shop-nl:01"
    matches = json.loads(intake("show", "R-9", "--json").output)["matches"]
    assert {each["key"]: each["found_by"] for each in matches} == {
        "shop-nl:01": "the id in returns",
        "shop-de:03": "the id in warehouse",
    }
