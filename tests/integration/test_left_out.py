"""Orders that no route creates and statuses that are not understood: counted, found, explained, in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.fake_runtime import FakeRuntime, Shop
from support.orders import order
from tasks.accept import accept
from worker.operations.left_out import reason_of, remedy_of
from worker.settings.routes import Route
from worker.store.feeds.left_out import MOST_CODES, LeftOutOrder, LeftOuts
from worker.store.health.state import ProviderState
from worker.watch.judgements import _statuses

if TYPE_CHECKING:
    from redis import Redis

    from schemas.order import Order

RULES: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
    ({}, {"status": "cancelled"}, "status=cancelled", 'also_create = ["cancelled"]'),
    ({}, {"status": "returned"}, "status=returned", 'also_create = ["returned"]'),
    ({}, {"test": True}, "test", 'also_create = ["test"]'),
    ({"status": ["new", "paid"]}, {"status": "shipped"}, "only.status=shipped", '["new", "paid", "shipped"]'),
    (
        {"status": ["new"]},
        {"status": "unknown", "status_raw": "novyi-zakaz"},
        "only.status=unknown",
        'status_map = { "novyi-zakaz" = "new" }',
    ),
    ({"store": ["nl"]}, {"store": "be"}, "only.store", "change only.store of the route"),
    ({"test": True}, {}, "only.test", "change only.test of the route"),
    ({}, {"status": "cancelled", "removed": "deleted", "lines": ()}, "deleted", "no longer exists"),
]


def runtime(redis: Redis, only: dict[str, Any]) -> FakeRuntime:
    redis.hset("intake:cursor:shop", mapping={"value": "0", "walked": "1"})
    also = ("test",) if only.get("test") else ()
    return FakeRuntime(redis, Shop([]), routes=(Route(source="shop", targets=("t",), only=only, also_create=also),))


def take(rt: FakeRuntime, *orders: Order) -> None:
    accept(rt, orders, "poll shop", rt.nudge)


@pytest.mark.parametrize(("only", "fields", "rule", "remedy"), RULES, ids=[rule for _, _, rule, _ in RULES])
def test_an_order_that_is_left_out_is_counted_once_and_found_with_the_rule_and_the_remedy(
    redis: Redis, only: dict[str, Any], fields: dict[str, Any], rule: str, remedy: str
) -> None:
    rt = runtime(redis, only)
    for _ in range(3):
        take(rt, order("1", display_id="A-1", **fields))
    assert redis.hgetall("intake:left_out_counts:shop") == {f"t {rule}": "1"}
    (found,) = rt.left_outs.find("shop", "1")
    assert (found.target, found.rule, found.status_raw) == ("t", rule, fields.get("status_raw", ""))
    assert [each.external_id for each in rt.left_outs.find_by_display_id(["shop"], "A-1")["shop"]] == ["1"]
    assert rt.left_outs.find_by_display_id(["shop"], "A-2") == {"shop": []}
    assert remedy in remedy_of(rt, "shop", found)
    assert reason_of(rule) != rule


def test_an_order_that_another_rule_leaves_out_later_is_counted_by_both(redis: Redis) -> None:
    rt = runtime(redis, {"status": ["new"]})
    take(rt, order("1", status="shipped"))
    take(rt, order("1", status="cancelled"))
    assert redis.hgetall("intake:left_out_counts:shop") == {"t only.status=shipped": "1", "t status=cancelled": "1"}
    assert [found.rule for found in rt.left_outs.find("shop", "1")] == ["status=cancelled"]


def test_the_memory_of_orders_that_are_left_out_is_bounded_and_keeps_the_newest(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.store.feeds.left_out.MOST", 4)
    left_outs, count = LeftOuts(redis), 3000
    for first in range(0, count, 1000):
        left_outs.note(
            "shop",
            [LeftOutOrder(f"100{n}", "t", "status=cancelled", f"#{n}", "gone") for n in range(first, first + 1000)],
        )
    names = redis.keys("intake:left_out:shop:??")
    assert len(names) == 256
    assert sum(redis.hlen(name) for name in names) <= 256 * 4
    assert sum(redis.memory_usage(name) or 0 for name in names) < 256 * 4 * 120
    assert redis.hgetall("intake:left_out_counts:shop") == {"t status=cancelled": str(count)}
    assert left_outs.find("shop", f"100{count - 1}")


def test_an_order_of_a_status_that_is_not_understood_is_created_counted_once_and_reported(redis: Redis) -> None:
    rt = runtime(redis, {})
    for version in (1, 2):
        take(rt, order("1", version=version, status="unknown", status_raw="novyi-zakaz", note=str(version)))
    take(rt, order("2", status="unknown", status_raw="half \ud83d"))
    assert rt.lanes["t"].status()["queued"] == 2
    counted = redis.hgetall("intake:unknown_statuses:shop")
    assert counted == {"novyi-zakaz": "1", "half \ufffd": "1"}
    account = rt.settings.providers["shop"]
    first, *_ = _statuses(account, ProviderState(unknown={"novyi-zakaz": 1}))
    assert first.remedy.startswith('Add to [providers.shop]: status_map = { "novyi-zakaz" = "new" }')


def test_the_number_of_codes_that_are_counted_is_bounded(redis: Redis) -> None:
    left_outs = LeftOuts(redis)
    for number in range(MOST_CODES + 50):
        left_outs.note_unknown("shop", [f"code-{number}"])
    counted = redis.hgetall("intake:unknown_statuses:shop")
    assert len(counted) == MOST_CODES + 1
    assert counted[""] == "50"
