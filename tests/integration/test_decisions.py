"""Whether a route wants an order is part of its record: what the newest version says holds, whatever arrives later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.fake_runtime import Bulky, Editable, FakeRuntime, Shop, Warehouse
from support.orders import order
from support.redis_text import key_names
from support.steps import settle
from tasks.accept import accept
from tasks.deliver import deliver
from tasks.release import release
from worker.errors import Uncertain
from worker.settings.routes import Route
from worker.settings.transforms import Transform
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome
from worker.store.redis import keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

UNWANTED: dict[str, dict[str, Any]] = {
    "cancelled": {"status": "cancelled"},
    "on hold": {"status": "on_hold"},
    "test": {"test": True},
    "filtered": {"store": "be"},
    "deleted": {"status": "cancelled", "removed": "deleted", "lines": (), "totals": {}},
    "combined": {"status": "cancelled", "removed": "combined", "combined_into": "9", "lines": (), "totals": {}},
}
DAY = 86_400_000


def runtime(redis: Redis, warehouse: Warehouse | None = None, **route: Any) -> FakeRuntime[Shop, Any]:
    """Return a runtime whose ledger is not new, with a route for the orders of one store."""
    redis.hset("intake:cursor:shop", mapping={"value": "0", "walked": "1"})
    route = {"only": {"store": ["nl"]}} | route
    shop, target = Shop([]), warehouse or Warehouse()
    return FakeRuntime(redis, shop, target, routes=(Route(source="shop", targets=("t",), **route),))


def arrive(rt: FakeRuntime[Shop, Any], version: int | None, source: str = "push shop", **fields: Any) -> str:
    """Accept a version of the order "1"; return the result."""
    counts, rejected = accept(rt, [order("1", version=version, **{"store": "nl"} | fields)], source, rt.nudge)
    assert not rejected
    (result,) = counts
    return result


@pytest.mark.parametrize("source", ["push shop", "poll shop", "backfill shop"])
@pytest.mark.parametrize("unwanted", UNWANTED)
def test_a_version_older_than_one_that_was_left_out_creates_nothing(redis: Redis, unwanted: str, source: str) -> None:
    rt = runtime(redis)
    assert arrive(rt, 2, **UNWANTED[unwanted]) == "unwanted"
    assert arrive(rt, 1, source) == "stale"
    deliver(rt, "t", rt.nudge)
    assert not rt.warehouse.created
    assert arrive(rt, 3, source, note="live again") == "new"
    deliver(rt, "t", rt.nudge)
    assert [sent.note for _, sent in rt.warehouse.created] == ["live again"]


def test_a_version_that_was_left_out_is_created_when_it_is_read_again_and_a_route_wants_it(redis: Redis) -> None:
    assert arrive(runtime(redis), 2, store="be") == "unwanted"
    assert arrive(runtime(redis, only={}), 2, store="be") == "new"


@pytest.mark.parametrize("then", ["sent", "dropped"])
def test_an_order_whose_route_is_removed_while_it_waits_is_held(redis: Redis, then: str) -> None:
    rt = runtime(redis)
    arrive(rt, 1)
    routes, gone = rt.settings.routes, (Route(source="other", targets=("t",)),)
    rt.settings = rt.settings.model_copy(update={"routes": gone})
    for _ in range(2):
        deliver(rt, "t", rt.nudge)
        assert not rt.warehouse.created
        (held,) = rt.lanes["t"].held_keys()
        assert rt.ledger.standing("t", held).code == "unrouted"
        release(rt, "t", [held], "send")
    if then == "sent":
        rt.settings = rt.settings.model_copy(update={"routes": routes})
        deliver(rt, "t", rt.nudge)
        assert len(rt.warehouse.created) == 1
        return
    deliver(rt, "t", rt.nudge)
    assert release(rt, "t", rt.lanes["t"].held_keys(), "drop") == 1
    deliver(rt, "t", rt.nudge)
    assert (rt.warehouse.created, rt.lanes["t"].held_keys()) == ([], [])


def test_an_order_that_the_target_has_is_delivered_though_its_route_is_removed(redis: Redis) -> None:
    rt = runtime(redis)
    rt.warehouse.after = [Uncertain("POST /x: no answer")]
    arrive(rt, 1)
    deliver(rt, "t", rt.nudge)
    rt.settings = rt.settings.model_copy(update={"routes": (Route(source="other", targets=("t",)),)})
    redis.zadd("intake:lane:t:due", {"shop:1": 0})
    deliver(rt, "t", rt.nudge)
    assert (rt.state("1")["state"], len(rt.warehouse.created)) == ("delivered", 1)


@pytest.mark.parametrize("versions", [(9, 10), (1_700_000_000_000_000, 1_700_000_000_000_001), (1, 2**63 - 1)])
def test_versions_of_any_size_are_compared_as_numbers(redis: Redis, versions: tuple[int, int]) -> None:
    rt, (older, newer) = runtime(redis), versions
    arrive(rt, newer, store="be")
    assert arrive(rt, older, store="be") == "stale"
    assert arrive(rt, older) == "stale"
    assert arrive(rt, newer) == "new"


def test_an_older_version_that_is_left_out_as_well_does_not_replace_the_newer_one(redis: Redis) -> None:
    rt = runtime(redis)
    arrive(rt, 3, store="be")
    arrive(rt, 1, store="de")
    assert arrive(rt, 2) == "stale"


def test_a_tombstone_is_found_for_thirty_days_and_then_expires(redis: Redis) -> None:
    rt = runtime(redis)
    arrive(rt, 2, store="be")
    (name,) = key_names(redis, "intake:unwanted:*")
    target, period, shard = name.split(":")[2:]
    assert target == "t"
    assert 30 * DAY <= redis.pttl(name) <= 60 * DAY
    for age, result in ((1, "stale"), (2, "new")):
        redis.rename(name, aged := f"intake:unwanted:t:{int(period) - age}:{shard}")
        name = aged
        assert arrive(rt, 1) == result


def test_tombstones_hold_no_content_and_take_little_memory(redis: Redis) -> None:
    rt, count = runtime(redis), 300
    orders = [order(f"{100_000 + n}", version=1_700_000_000_000_000 + n, store="be") for n in range(count)]
    accept(rt, orders, "poll shop", rt.nudge)
    names = redis.keys("intake:unwanted:*")
    entries = {field: value for name in names for field, value in redis.hgetall(name).items()}
    assert entries == {each.key: str(each.version) for each in orders}
    assert sum(redis.memory_usage(name) or 0 for name in names) < count * 150
    assert not redis.keys("intake:order:*")


def test_an_order_that_was_read_without_a_version_is_newer_than_a_push_without_one(redis: Redis) -> None:
    rt = runtime(redis)
    assert arrive(rt, None, "poll shop", store="be") == "unwanted"
    assert arrive(rt, -5) == "stale"
    assert arrive(rt, None, "poll shop") == "new"


def test_an_order_that_a_new_ledger_left_out_is_searched_before_it_is_created(redis: Redis) -> None:
    rt, before = runtime(redis), {"ordered_at": "2026-01-02T03:04:05Z"}
    arrive(rt, 1, **before)
    deliver(rt, "t", rt.nudge)
    redis.flushall()
    assert arrive(FakeRuntime(redis, Shop([]), rt.warehouse, routes=rt.routes), 2, store="be", **before) == "unwanted"
    # Everything has been read since.
    rt = runtime(redis, rt.warehouse)
    assert arrive(rt, 3, **before) == "new"
    deliver(rt, "t", rt.nudge)
    assert len(rt.warehouse.created) == 1
    assert rt.state("1")["state"] == "delivered"


@pytest.mark.parametrize("change", ["source", "settings"])
def test_an_order_that_a_lost_ledger_delivered_is_searched_before_it_is_withdrawn(redis: Redis, change: str) -> None:
    class Refusing(Editable):
        dedupes = True

    rt = runtime(redis, Refusing())
    arrive(rt, 1)
    deliver(rt, "t", rt.nudge)
    redis.flushall()
    rt = FakeRuntime(redis, Shop([]), rt.warehouse, routes=rt.routes)
    assert arrive(rt, 1) == "new"
    rt = runtime(redis, rt.warehouse, **{"only": {"store": ["be"]}} if change == "settings" else {})
    if change == "source":
        assert arrive(rt, 2, status="cancelled") == "replaced"
    deliver(rt, "t", rt.nudge)
    deliver(rt, "t", rt.nudge)
    assert (rt.warehouse.finds, len(rt.warehouse.created)) == (1, 1)
    state = rt.state("1")
    # It cannot be cancelled there.
    assert state["state"] == ("held" if change == "source" else "delivered")


# Histories


@pytest.mark.parametrize("on_change", ["ignore", "hold", "update"])
@pytest.mark.parametrize("delivered", [True, False])
def test_the_history_of_an_order_that_changes_all_the_time_is_bounded(
    redis: Redis, on_change: str, *, delivered: bool
) -> None:
    rt = runtime(redis, Editable(), on_change=on_change)
    arrive(rt, 1)
    if delivered:
        deliver(rt, "t", rt.nudge)
    for version in range(2, 82):
        arrive(rt, version, note=str(version))
        if on_change == "hold":
            rt.lanes["t"].release(rt.lanes["t"].held_keys(), "drop")
        elif on_change == "update" and delivered:
            deliver(rt, "t", rt.nudge)
    (entry,) = rt.ledger.entries(["t"], "shop:1")
    assert len(entry.history) == 60
    assert (redis.llen(f"{keys.LaneKeys.of('t').history}shop:1") or 60) == 60


# Settings that change, and cancellations during a call


def doubtful(rt: FakeRuntime[Shop, Any]) -> str:
    return settle(rt, Outcome("doubt", "rejected", "no search"))


#: How an order waits that certainly is not in the target, and what a person does with it.
WAITS: dict[str, tuple[Callable[[FakeRuntime[Shop, Any]], object], Callable[[FakeRuntime[Shop, Any]], object]]] = {
    "queued": (lambda _: None, lambda _: None),
    "retried": (lambda rt: settle(rt, Outcome("retry", "unavailable")), lambda _: None),
    "uncertain": (lambda rt: settle(rt, Outcome("retry", "uncertain", uncertain=True)), lambda _: None),
    "dead": (
        lambda rt: settle(rt, Outcome("bury", "rejected")),
        lambda rt: rt.stuck["t"].move("replay", ["shop:1"]),
    ),
    "held": (
        lambda rt: settle(rt, Outcome("hold", "held", "no mapping")),
        lambda rt: rt.lanes["t"].release(["shop:1"], "send"),
    ),
    "in doubt": (doubtful, lambda rt: rt.stuck["t"].move("send", ["shop:1"])),
    "given up": (
        lambda rt: (doubtful(rt), rt.stuck["t"].move("bury", ["shop:1"])),
        lambda rt: rt.stuck["t"].move("replay", ["shop:1"]),
    ),
}


@pytest.mark.parametrize("reread", [True, False])
@pytest.mark.parametrize("wait", WAITS)
def test_an_order_that_changed_settings_leave_out_is_withdrawn_however_it_waits(
    redis: Redis, wait: str, *, reread: bool
) -> None:
    rt, (begin, act) = runtime(redis), WAITS[wait]
    arrive(rt, 1)
    begin(rt)
    rt = runtime(redis, only={"store": ["be"]})
    if reread:
        assert arrive(rt, 1) in {"withdrawn", "asked", "replaced"}
    act(rt)
    deliver(rt, "t", rt.nudge)
    assert not rt.warehouse.created
    assert rt.state("1")["state"] == "withdrawn"
    (entry,) = rt.ledger.entries(["t"], "shop:1")
    assert entry.history[-1][1] == "withdrawn: the route's only.store does not have its store"
    assert arrive(rt, 1) == "same"
    rt = runtime(redis)
    assert arrive(rt, 1) == "revived"
    deliver(rt, "t", rt.nudge)
    assert len(rt.warehouse.created) == 1


@pytest.mark.parametrize("kind", ["retry", "snooze", "release", "hold", "bury"])
def test_an_order_that_changed_settings_leave_out_during_a_call_is_withdrawn(redis: Redis, kind: Any) -> None:
    rt = runtime(redis)
    arrive(rt, 1)
    changed = runtime(redis, only={"store": ["be"]})
    assert settle(rt, Outcome(kind, "code"), lambda: arrive(changed, 1)) == "withdrawn"


def test_an_order_that_changed_settings_want_again_is_sent(redis: Redis) -> None:
    rt = runtime(redis)
    arrive(rt, 1)
    settle(rt, Outcome("retry", "uncertain", uncertain=True))
    assert arrive(runtime(redis, only={"store": ["be"]}), 1) == "replaced"
    assert arrive(rt, 1) == "replaced"
    deliver(rt, "t", rt.nudge)
    assert len(rt.warehouse.created) == 1


def test_an_order_that_is_there_although_changed_settings_leave_it_out_is_delivered(redis: Redis) -> None:
    rt = runtime(redis)
    rt.warehouse.after = [Uncertain("cut")]
    arrive(rt, 1)
    deliver(rt, "t", rt.nudge)
    redis.zadd("intake:lane:t:due", {"shop:1": 0})
    rt = runtime(redis, rt.warehouse, only={"store": ["be"]})
    deliver(rt, "t", rt.nudge)
    assert len(rt.warehouse.created) == 1
    assert rt.state("1")["state"] == "delivered"


def test_orders_of_one_call_that_changed_settings_leave_out_are_not_sent_with_the_others(redis: Redis) -> None:
    rt = runtime(redis, only={})
    accept(rt, [order(str(n), store="nl" if n % 2 else "be") for n in range(1, 7)], "poll shop", rt.nudge)
    rt = runtime(redis, Bulky())
    deliver(rt, "t", rt.nudge)
    assert [reference for reference, _ in rt.warehouse.created] == ["1", "3", "5"]
    assert rt.lanes["t"].status()["withdrawn"] == 3


def test_a_transform_is_not_applied_twice_to_decide_again(redis: Redis) -> None:
    """The ledger has the transformed order: what the route decides on is read again from the source."""
    rt = runtime(redis, transform=Transform("rules:f", lambda order: order.model_copy(update={"store": "be"})))
    arrive(rt, 1)
    deliver(rt, "t", rt.nudge)
    assert [sent.store for _, sent in rt.warehouse.created] == ["be"]


def test_an_order_that_is_cancelled_while_the_target_is_searched_is_not_created(redis: Redis) -> None:
    rt = runtime(redis)
    arrive(rt, 1)
    settle(rt, Outcome("retry", "uncertain", uncertain=True))
    rt.warehouse.before_find = lambda _: arrive(rt, 2, status="cancelled")
    deliver(rt, "t", rt.nudge)
    assert rt.warehouse.finds == 1
    assert not rt.warehouse.created
    assert rt.state("1")["state"] == "withdrawn"


@pytest.mark.parametrize("action", ["create", "update"])
def test_a_repair_that_read_an_older_version_changes_nothing(redis: Redis, action: Any) -> None:
    rt = runtime(redis, on_change="ignore")
    arrive(rt, 1)
    deliver(rt, "t", rt.nudge)
    arrive(rt, 3, status="cancelled")
    older = Delivery(order("1", version=2, store="nl"), "1")
    seen = rt.ledger.standing("t", "shop:1")
    assert rt.ledger.resend("t", older, action, seen=seen, source="reconcile shop", target_id="1") == "moved"
    assert rt.state("1")["state"] == "delivered"
