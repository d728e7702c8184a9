"""Orders that were placed before the start of their provider: never created, unless a backfill requests them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

import tasks.deliver
import tasks.sweep
from schemas.transform import Hold
from support.fake_runtime import Editable, FakeRuntime, Shop
from support.orders import order
from tasks.accept import accept
from tasks.release import release
from worker.operations.left_out import reason_of, remedy_of
from worker.settings.routes import Route
from worker.settings.transforms import Transform
from worker.store.orders.drains import Outcome
from worker.store.redis import keys

if TYPE_CHECKING:
    from redis import Redis

    from schemas.order import Order

START = datetime(2026, 3, 1, tzinfo=UTC)
EARLY, LATE = START - timedelta(microseconds=1), START
RULE = "placed before start 2026-03-01"
#: What brings an order; the first word of its source.
SOURCES = ("poll", "push", "hint", "backfill")
KINDS: list[dict[str, Any]] = [
    {},
    {"status": "delivered"},
    {"status": "unknown", "status_raw": "novyi-zakaz"},
    {"status": "cancelled"},
    {"status": "returned"},
    {"status": "on_hold"},
    {"test": True},
]
CREATED = KINDS[:3]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.attempt.backoff", lambda _: 0.0)


def runtime(redis: Redis, start: str = "2026-03-01", *, walked: bool = True, **route: Any) -> FakeRuntime[Shop, Any]:
    if walked:
        # The ledger is older than every order: none of them can be known to a ledger before it.
        redis.set(keys.EPOCH, 1)
        redis.hset("intake:cursor:shop", mapping={"value": "0", "walked": "1"})
    routes = (Route(source="shop", targets=("t",), **route),)
    return FakeRuntime(redis, Shop([]), Editable(), routes=routes, start=start)


def arrive(rt: FakeRuntime[Shop, Any], *orders: Order, source: str = "poll") -> list[str]:
    counts, rejected = accept(rt, orders, f"{source} shop", rt.nudge)
    assert not rejected
    return list(counts.elements())


def deliver(rt: FakeRuntime[Shop, Any]) -> None:
    tasks.sweep.sweep(rt, rt.nudge)
    tasks.deliver.deliver(rt, "t", rt.nudge)


def created(rt: FakeRuntime[Shop, Any]) -> list[str]:
    return sorted(reference for reference, _ in rt.warehouse.created)


def settle(rt: FakeRuntime[Shop, Any], outcome: Outcome) -> None:
    with rt.lanes["t"].drain() as drain:
        drain.settle([(claim, outcome) for claim in drain.claim(1)])
        drain.leave()


@pytest.mark.parametrize("walked", [True, False], ids=["known ledger", "new ledger"])
@pytest.mark.parametrize("source", SOURCES)
def test_an_order_that_was_placed_before_the_start_is_created_by_a_backfill_only(
    redis: Redis, source: str, *, walked: bool
) -> None:
    """Every kind of order, of every age, by every way into the ledger; a cancelled one is created by none of them."""
    rt = runtime(redis, walked=walked)
    ages = {"old": EARLY - timedelta(days=30), "early": EARLY, "late": LATE, "today": LATE + timedelta(days=30)}
    cases = {f"{age} {n}": (age, kind) for age, (n, kind) in product(ages, enumerate(KINDS))}
    placed = {name: order(name, ordered_at=ages[age], version=1, **kind) for name, (age, kind) in cases.items()}
    asked: list[str] = []
    rt.warehouse.before_find = asked.append
    for version in (1, 2, 3):
        arrive(rt, *(each.model_copy(update={"version": version}) for each in placed.values()), source=source)
        deliver(rt)
    wanted = {"old", "early", "late", "today"} if source == "backfill" else {"late", "today"}
    assert created(rt) == sorted(name for name, (age, kind) in cases.items() if age in wanted and kind in CREATED)
    counts = redis.hgetall("intake:left_out_counts:shop")
    assert counts.get(f"t {RULE}") == (None if source == "backfill" else str(2 * len(KINDS)))
    assert not [name for name in asked if ages[cases[name][0]] < START and source != "backfill"], (
        "searched in the target"
    )
    assert rt.warehouse.updated == []


def test_an_order_before_the_start_is_counted_once_and_found_with_the_rule_and_the_remedy(redis: Redis) -> None:
    rt = runtime(redis)
    for version in (1, 2):
        arrive(rt, order("1", display_id="A-1", version=version, note=str(version), ordered_at=EARLY))
    assert redis.hgetall("intake:left_out_counts:shop") == {f"t {RULE}": "1"}
    [found] = rt.left_outs.find("shop", "1")
    assert found.rule == RULE
    assert "intake backfill shop --since DAY" in remedy_of(rt, "shop", found)
    assert RULE in reason_of(RULE)
    assert rt.ledger.entries(["t"], "shop:1") == []


def test_a_change_of_an_order_before_the_start_is_sent_where_it_was_delivered(redis: Redis) -> None:
    rt = runtime(redis)
    arrive(rt, order("1", version=1, ordered_at=EARLY), source="backfill")
    deliver(rt)
    arrive(rt, order("1", version=2, note="changed", ordered_at=EARLY), order("2", version=2, ordered_at=EARLY))
    deliver(rt)
    assert (created(rt), [reference for reference, _, _ in rt.warehouse.updated]) == (["1"], ["1"])


STATES: dict[str, Outcome | None] = {
    "queued": None,
    "retried": Outcome("retry", "unavailable"),
    "held": Outcome("hold", "held", "no mapping"),
    "dead": Outcome("bury", "rejected", "422"),
}


@pytest.mark.parametrize("state", STATES)
def test_an_order_that_a_backfill_requested_is_not_withdrawn_when_it_changes(redis: Redis, state: str) -> None:
    rt = runtime(redis)
    arrive(rt, order("1", version=1, ordered_at=EARLY), source="backfill")
    if outcome := STATES[state]:
        settle(rt, outcome)
    assert arrive(rt, order("1", version=2, note="changed", ordered_at=EARLY)) in (["replaced"], ["revived"])
    deliver(rt)
    assert [sent.note for _, sent in rt.warehouse.created] == ["changed"]


def test_a_requested_order_that_is_withdrawn_is_created_when_it_is_live_again(redis: Redis) -> None:
    rt = runtime(redis)
    arrive(rt, order("1", version=1, ordered_at=EARLY), source="backfill")
    assert arrive(rt, order("1", version=2, status="cancelled", ordered_at=EARLY)) == ["withdrawn"]
    assert arrive(rt, order("1", version=3, note="live again", ordered_at=EARLY)) == ["revived"]
    deliver(rt)
    assert created(rt) == ["1"]


@pytest.mark.parametrize("state", STATES)
def test_a_later_start_withdraws_an_order_at_its_next_change_and_a_backfill_requests_it_again(
    redis: Redis, state: str
) -> None:
    rt = runtime(redis, "2026-01-01")
    arrive(rt, order("1", version=1, ordered_at=EARLY))
    if outcome := STATES[state]:
        settle(rt, outcome)
    rt = runtime(redis, "2026-03-01")
    assert arrive(rt, order("1", version=2, note="changed", ordered_at=EARLY)) == ["withdrawn"]
    assert arrive(rt, order("1", version=3, note="again", ordered_at=EARLY)) == ["unwanted"]
    deliver(rt)
    assert created(rt) == []
    assert arrive(rt, order("1", version=3, note="again", ordered_at=EARLY), source="backfill") == ["revived"]
    arrive(rt, order("1", version=4, note="and again", ordered_at=EARLY))
    deliver(rt)
    assert [sent.note for _, sent in rt.warehouse.created] == ["and again"]


@pytest.mark.parametrize("state", ["queued", "retried"])
def test_a_later_start_withdraws_an_order_before_it_is_sent(redis: Redis, state: str) -> None:
    rt = runtime(redis, "2026-01-01", transform=Transform("rules:n", lambda order: order))
    arrive(rt, order("1", version=1, ordered_at=EARLY), order("2", version=1, ordered_at=LATE))
    arrive(rt, order("3", version=1, ordered_at=EARLY), source="backfill")
    if outcome := STATES[state]:
        settle(rt, outcome)
    rt = runtime(redis, "2026-03-01", transform=Transform("rules:n", lambda order: order))
    arrive(rt, order("3", version=1, ordered_at=EARLY), source="backfill")
    deliver(rt)
    assert created(rt) == ["2", "3"]
    assert rt.ledger.standing("t", "shop:1").state == "withdrawn"


def test_a_queued_order_that_a_backfill_reads_as_well_counts_as_requested(redis: Redis) -> None:
    rt = runtime(redis, "2026-01-01")
    arrive(rt, order("1", version=1, ordered_at=EARLY))
    rt = runtime(redis, "2026-03-01")
    assert arrive(rt, order("1", version=1, ordered_at=EARLY), source="backfill") == ["same"]
    arrive(rt, order("1", version=2, note="changed", ordered_at=EARLY))
    deliver(rt)
    assert created(rt) == ["1"]


def test_nothing_that_a_route_has_against_an_order_before_the_start_makes_it_a_dead_letter(redis: Redis) -> None:
    def fail(_: Order) -> object:
        raise ValueError

    rt = runtime(redis, transform=Transform("rules:f", fail), reference="{source_id}")
    assert arrive(rt, order("1", ordered_at=EARLY), order("2", source_id="2", ordered_at=EARLY)) == ["unwanted"] * 2


def test_an_order_of_a_backfill_that_a_transform_held_is_released(redis: Redis) -> None:
    answers: list[object] = []

    def hold(order: Order) -> object:
        return answers.pop() if answers else order

    rt = runtime(redis, transform=Transform("rules:h", hold))
    answers.append(Hold("look at it"))
    assert arrive(rt, order("1", ordered_at=EARLY), source="backfill") == ["held"]
    assert release(rt, "t", ["shop:1"], "send") == 1
    deliver(rt)
    assert created(rt) == ["1"]


def test_a_producer_has_no_start(redis: Redis) -> None:
    rt = runtime(redis)
    rt.take_from("web")
    counts, _ = accept(rt, [order("1", provider="web", ordered_at=EARLY)], "push web", rt.nudge)
    assert counts == {"new": 1}
