"""An order that is cancelled, removed or left out, in every state that it may have in the ledger, on a real Redis."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pytest

import tasks.deliver
import tasks.sweep
from support.fake_runtime import Editable, FakeRuntime, Shop, Slow, Warehouse
from support.orders import order
from support.steps import settle
from tasks.accept import accept
from tasks.attempt import attempt
from worker.doubt import ask
from worker.errors import Held, Rejected, Unavailable, Uncertain
from worker.settings.routes import Route
from worker.store.orders.drains import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from schemas.order import Order
    from support.pipeline import MakePipeline

#: What may arrive, as the fields of the order.
ARRIVALS: dict[str, dict[str, Any]] = {
    "cancelled": {"status": "cancelled"},
    "returned": {"status": "returned"},
    "excluded": {"status": "excluded"},
    "on hold": {"status": "on_hold"},
    "test": {"test": True},
    "deleted": {"status": "cancelled", "removed": "deleted", "lines": (), "totals": {}},
    "combined": {"status": "cancelled", "removed": "combined", "combined_into": "2", "lines": (), "totals": {}},
}
#: The arrivals after which the order must not be shipped from a target that has it.
STOPS = {"cancelled", "excluded", "on hold", "deleted", "combined"}
CANCELS = STOPS - {"on hold"}


class Cancellable(Editable):
    """A target that can update and cancel; `cancelled` lists each cancelled reference."""

    def __init__(self) -> None:
        super().__init__()
        self.cancelled: list[str] = []

    def cancel(self, order: Order, reference: str, target_id: str) -> None:
        self.cancelled.append(reference)


def arrive(rt: FakeRuntime[Shop, Any], external_id: str = "1", **fields: Any) -> str:
    """Accept an order as a poll does; return the result."""
    counts, rejected = accept(rt, [order(external_id, **fields)], "poll shop", rt.nudge)
    assert not rejected
    (result,) = counts
    return result


def deliver(rt: FakeRuntime[Shop, Any]) -> None:
    tasks.sweep.sweep(rt, rt.nudge)
    tasks.deliver.deliver(rt, "t", rt.nudge)


# The states of an order. Each returns whether the target has the order.


def unknown(rt: FakeRuntime[Shop, Any]) -> bool:
    return False


def queued(rt: FakeRuntime[Shop, Any]) -> bool:
    arrive(rt, version=1)
    return False


def retried(rt: FakeRuntime[Shop, Any]) -> bool:
    rt.warehouse.trouble = [Unavailable("503")]
    arrive(rt, version=1)
    deliver_once(rt)
    assert rt.state("1")["state"] == "queued"
    return False


def uncertain_and_absent(rt: FakeRuntime[Shop, Any]) -> bool:
    rt.warehouse.trouble = [Uncertain("cut")]
    arrive(rt, version=1)
    deliver_once(rt)
    return False


def uncertain_and_present(rt: FakeRuntime[Shop, Any]) -> bool:
    rt.warehouse.after = [Uncertain("cut")]
    arrive(rt, version=1)
    deliver_once(rt)
    return True


def in_doubt_and_present(rt: FakeRuntime[Shop, Any]) -> bool:
    uncertain_and_present(rt)
    settle(rt, Outcome("doubt", "rejected", "no search"))
    assert rt.state("1")["state"] == "in_doubt"
    return True


def in_doubt_and_absent(rt: FakeRuntime[Shop, Any]) -> bool:
    uncertain_and_absent(rt)
    settle(rt, Outcome("doubt", "rejected", "no search"))
    return False


def held(rt: FakeRuntime[Shop, Any]) -> bool:
    rt.warehouse.trouble = [Held("no mapping")]
    arrive(rt, version=1)
    deliver_once(rt)
    assert rt.state("1")["state"] == "held"
    return False


def dead(rt: FakeRuntime[Shop, Any]) -> bool:
    rt.warehouse.trouble = [Rejected("422")]
    arrive(rt, version=1)
    deliver_once(rt)
    assert rt.state("1")["state"] == "dead"
    return False


def discarded(rt: FakeRuntime[Shop, Any]) -> bool:
    dead(rt)
    rt.stuck["t"].move("discard", ["shop:1"], source="by hand")
    return False


def withdrawn(rt: FakeRuntime[Shop, Any]) -> bool:
    arrive(rt, version=1)
    assert arrive(rt, version=2, status="cancelled", note="before") == "withdrawn"
    return False


def delivered(rt: FakeRuntime[Shop, Any]) -> bool:
    arrive(rt, version=1)
    deliver_once(rt)
    assert rt.state("1")["state"] == "delivered"
    return True


def known_to_a_lost_ledger(rt: FakeRuntime[Shop, Any]) -> bool:
    delivered(rt)
    rt.redis.flushall()
    return True


def unknown_to_a_lost_ledger(rt: FakeRuntime[Shop, Any]) -> bool:
    return False


STATES = [
    *(unknown, queued, retried, uncertain_and_absent, uncertain_and_present, in_doubt_and_absent, in_doubt_and_present),
    *(held, dead, discarded, withdrawn, delivered, known_to_a_lost_ledger, unknown_to_a_lost_ledger),
]


def deliver_once(rt: FakeRuntime[Shop, Any]) -> None:
    """Send each due order once."""
    with rt.lanes["t"].drain() as drain:
        claims = drain.claim(10)
        drain.settle([(claim, attempt(rt.warehouse, claim)) for claim in claims])
        drain.leave()


def runtime(redis: Redis, warehouse: Warehouse, *, lost: bool = False, **route: Any) -> FakeRuntime[Shop, Any]:
    """Return a runtime whose ledger is not new, unless it was lost."""
    rt = FakeRuntime(redis, Shop([]), warehouse, routes=(Route(source="shop", targets=("t",), **route),))
    if not lost:
        redis.hset("intake:cursor:shop", mapping={"value": "0", "walked": "1"})
    return rt


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.attempt.backoff", lambda _: 0.0)


def history(rt: FakeRuntime[Shop, Any], external_id: str = "1") -> str:
    entries = rt.ledger.entries(["t"], f"shop:{external_id}")
    return "\n".join(event for entry in entries for _, event in entry.history)


@pytest.mark.parametrize(
    ("arrival", "kind"),
    [
        *[(name, "cancels") for name in ("cancelled", "excluded", "on hold", "combined")],
        *[(name, "cannot") for name in ("cancelled", "returned", "test", "on hold", "deleted")],
    ],
)
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_an_order_that_stops_is_never_created_and_is_cancelled_where_it_is(
    redis: Redis, state: Callable[[FakeRuntime[Shop, Any]], bool], arrival: str, kind: Literal["cancels", "cannot"]
) -> None:
    warehouse = Cancellable() if kind == "cancels" else Warehouse()
    rt = runtime(redis, warehouse, lost="lost_ledger" in state.__name__)
    present = state(rt)
    created = len(warehouse.created)
    arrive(rt, version=3, **ARRIVALS[arrival])
    deliver(rt)
    for stuck in rt.stuck["t"].sample(1, 0.0) if "doubt" in state.__name__ else ():
        ask(warehouse, rt.stuck["t"], stuck, warehouse.find)
        deliver(rt)
    assert len(warehouse.created) == created, "an order that stops was created"
    entries = rt.ledger.entries(["t"], "shop:1")
    if not present:
        assert [entry.record["state"] for entry in entries] in ([], ["withdrawn"], ["discarded"])
        assert rt.lanes["t"].status()["held_now"] == rt.lanes["t"].status()["dead_now"] == 0
        assert not redis.keys("intake:payload:*")
    elif arrival not in STOPS:
        assert not entries or entries[0].record["state"] in {"delivered", "held"}
    elif kind == "cancels" and arrival in CANCELS:
        assert isinstance(warehouse, Cancellable)
        assert (warehouse.cancelled, entries[0].record["state"]) == (["1"], "delivered")
        assert "cancelled 1" in history(rt)
    else:
        assert entries[0].record["state"] == "held"
        assert "by hand, then: intake release t shop:1 --drop" in entries[0].record["detail"]
    # It is live again.
    arrive(rt, version=4, note="live again")
    deliver(rt)
    if not present:
        assert [reference for reference, _ in warehouse.created] == ["1"]
        assert rt.state("1")["state"] == "delivered"
    else:
        assert len(warehouse.created) == 1
        if arrival in STOPS and kind == "cannot":
            assert rt.state("1")["state"] == "held", "somebody may have cancelled it there"


CANCELLED: dict[str, Any] = {"status": "cancelled", "version": 2}


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome("retry", "unavailable"),
        Outcome("retry_uncounted", "unavailable"),
        Outcome("snooze", "rate_limited"),
        Outcome("release"),
        Outcome("hold", "held", "no mapping"),
        Outcome("bury", "rejected", "422"),
    ],
    ids=lambda outcome: outcome.kind,
)
def test_an_order_cancelled_during_a_call_that_did_not_create_it_is_withdrawn(redis: Redis, outcome: Outcome) -> None:
    rt = runtime(redis, Warehouse())
    arrive(rt, version=1)
    assert settle(rt, outcome, lambda: arrive(rt, **CANCELLED)) == "withdrawn"
    assert history(rt).endswith("withdrawn: its status is cancelled")
    assert rt.lanes["t"].status()["withdrawn"] == 1
    assert rt.ledger.entries(["t"], "shop:1")[0].due is None
    assert arrive(rt, version=3, note="again") == "revived"
    deliver(rt)
    assert [sent.note for _, sent in rt.warehouse.created] == ["again"]


@pytest.mark.parametrize("outcome", [Outcome("delivered", extra="1"), Outcome("existed", "found", extra="1")])
def test_an_order_cancelled_during_the_call_that_creates_it_ends_cancelled(redis: Redis, outcome: Outcome) -> None:
    rt = runtime(redis, Cancellable())
    arrive(rt, version=1)
    assert settle(rt, outcome, lambda: arrive(rt, **CANCELLED)) == "queued"
    deliver(rt)
    assert rt.warehouse.cancelled == ["1"]
    assert rt.state("1")["state"] == "delivered"


def test_an_order_cancelled_after_its_last_try_is_withdrawn_and_not_dead(redis: Redis) -> None:
    rt = runtime(redis, Warehouse())
    arrive(rt, version=1)
    for _ in range(3):
        settle(rt, Outcome("retry", "unavailable"))
    assert settle(rt, Outcome("retry", "unavailable"), lambda: arrive(rt, **CANCELLED)) == "withdrawn"


def test_a_cancellation_that_arrives_between_claim_and_call_stops_the_creation(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.sending.CHECK_AFTER", 0.0)
    rt = runtime(redis, Warehouse())
    for number in "123":
        arrive(rt, number, version=1)
    create = rt.warehouse.create

    def cancel_the_others(order: Order, reference: str) -> Any:
        for number in "23":
            arrive(rt, number, **CANCELLED)
        return create(order, reference)

    monkeypatch.setattr(rt.warehouse, "create", cancel_the_others)
    deliver(rt)
    assert [reference for reference, _ in rt.warehouse.created] == ["1"]
    assert [rt.state(number)["state"] for number in "123"] == ["delivered", "withdrawn", "withdrawn"]


def test_an_order_that_the_target_took_in_and_creates_later_is_cancelled_then(redis: Redis) -> None:
    rt = runtime(redis, Slow())
    arrive(rt, version=1)
    deliver_once(rt)
    assert arrive(rt, **CANCELLED) == "replaced"
    deliver(rt)
    assert len(rt.warehouse.created) == 1
    assert (rt.state("1")["state"], rt.state("1")["code"]) == ("held", "held")


def test_an_order_that_may_arrive_later_is_not_withdrawn_by_a_search(redis: Redis) -> None:
    rt = runtime(redis, Slow())
    rt.warehouse.trouble = [Uncertain("cut")]
    arrive(rt, version=1)
    deliver_once(rt)
    arrive(rt, **CANCELLED)
    deliver_once(rt)
    assert rt.state("1")["state"] == "queued"
    for _ in range(4):
        deliver_once(rt)
    assert rt.state("1")["state"] == "in_doubt"


@pytest.mark.parametrize("kind", ["cancelled", "returned", "excluded", "on_hold", "test"])
def test_a_route_may_create_each_kind_of_order_that_is_left_out_by_default(redis: Redis, kind: Any) -> None:
    rt = runtime(redis, Warehouse(), also_create=(kind,))
    fields: dict[str, Any] = {"test": True} if kind == "test" else {"status": kind}
    assert arrive(rt, **fields) == "new"
    assert arrive(runtime(redis, Warehouse()), "2", **fields) == "unwanted"


@pytest.mark.parametrize("on_change", ["update", "hold", "ignore"])
@pytest.mark.parametrize("warehouse", [Warehouse, Editable, Cancellable])
def test_a_cancellation_after_delivery_follows_on_change(
    redis: Redis, on_change: str, warehouse: type[Warehouse]
) -> None:
    rt = runtime(redis, warehouse(), on_change=on_change)
    arrive(rt, version=1)
    deliver(rt)
    arrive(rt, **CANCELLED)
    deliver(rt)
    cancels = on_change == "update" and warehouse is Cancellable
    ends = "delivered" if cancels or on_change == "ignore" else "held"
    assert rt.state("1")["state"] == ends
    assert "changed after delivery: cancelled at the source" in history(rt)
    assert ("not carried out: on_change is ignore" in history(rt)) == (on_change == "ignore")


def test_a_withdrawn_order_that_a_changed_route_wants_is_sent_when_it_is_read_again(redis: Redis) -> None:
    rt = runtime(redis, Warehouse())
    arrive(rt, version=1)
    assert arrive(rt, **CANCELLED) == "withdrawn"
    assert arrive(rt, **CANCELLED) == "same"
    rt = runtime(redis, Warehouse(), also_create=("cancelled",))
    assert arrive(rt, **CANCELLED) == "revived"
    deliver(rt)
    assert len(rt.warehouse.created) == 1


COMBINED: dict[str, Any] = {**ARRIVALS["combined"], "version": 2}
GROWN: dict[str, Any] = {"version": 3, "note": "with the goods of 1"}


def sent(rt: FakeRuntime[Shop, Any]) -> list[tuple[str, str | None]]:
    return [(reference, made.note) for reference, made in rt.warehouse.created]


class Combination(NamedTuple):
    """Which of two orders is delivered before the first is combined into the second; whether both arrive together."""

    first_delivered: bool
    second_delivered: bool
    together: bool


COMBINATIONS = [Combination(*flags) for flags in product([True, False], repeat=3)]


def combine(rt: FakeRuntime[Shop, Any], case: Combination) -> None:
    """Bring two orders into these states, then combine the first with the second, and let everything run."""
    for number, is_delivered in (("2", case.second_delivered), ("1", case.first_delivered)):
        if is_delivered:
            arrive(rt, number, version=1)
            deliver(rt)
    for number in "12":
        arrive(rt, number, version=1)
    if case.together:
        accept(rt, [order("2", **GROWN), order("1", **COMBINED)], "poll shop", rt.nudge)
    else:
        arrive(rt, "2", **GROWN)
        arrive(rt, "1", **COMBINED)
    deliver(rt)


@pytest.mark.parametrize("case", COMBINATIONS)
def test_the_goods_of_a_combined_order_are_shipped_once_by_a_target_that_cancels(
    redis: Redis, case: Combination
) -> None:
    rt = runtime(redis, Cancellable())
    combine(rt, case)
    assert rt.warehouse.cancelled == (["1"] if case.first_delivered else [])
    grown = ("2", "with the goods of 1")
    assert (rt.warehouse.updated or sent(rt))[-1][:: 2 if case.second_delivered else 1] == grown
    assert rt.state("2")["state"] == "delivered"
    assert not redis.keys("intake:lane:t:combined")


@pytest.mark.parametrize("case", COMBINATIONS)
def test_the_goods_of_a_combined_order_wait_for_a_person_at_a_target_that_cannot_cancel(
    redis: Redis, case: Combination
) -> None:
    rt = runtime(redis, Warehouse())
    combine(rt, case)
    assert sent(rt) == [
        (number, None) for number, made in (("2", case.second_delivered), ("1", case.first_delivered)) if made
    ] or (sent(rt) == [("2", "with the goods of 1")] and not case.first_delivered and not case.second_delivered)
    if case.first_delivered:
        assert "combined into shop:2, and warehouse cannot cancel an order" in rt.state("1")["detail"]
    else:
        assert rt.state("1")["state"] == "withdrawn"
    if case.second_delivered and not case.first_delivered:
        assert "the goods of shop:1 were combined into it after its delivery: add them" in rt.state("2")["detail"]
        rt.lanes["t"].release(["shop:2"], "drop")
        assert rt.state("2")["state"] == "delivered"
    elif case.second_delivered:
        # The goods are there with the first order, until somebody cancels it there.
        rt.lanes["t"].release(["shop:1"], "drop")
        assert (rt.state("1")["state"], rt.state("2")["state"]) == ("delivered", "held")
    elif case.first_delivered:
        assert rt.state("2")["detail"].startswith("shop:1 was combined into it, and may still be in t: see that it")
        rt.lanes["t"].release(["shop:1"], "drop")
        rt.lanes["t"].release(["shop:2"], "send")
        deliver(rt)
        assert sent(rt)[-1] == ("2", "with the goods of 1")
    assert not redis.keys("intake:lane:t:combined")


def test_an_order_combined_before_it_was_read_is_never_created_and_its_goods_are_not_lost(redis: Redis) -> None:
    rt = runtime(redis, Warehouse())
    arrive(rt, "2", version=1)
    deliver(rt)
    arrive(rt, "2", **GROWN)
    assert arrive(rt, "1", **COMBINED) == "withdrawn"
    assert rt.state("2")["state"] == "held"
    rt.lanes["t"].release(["shop:2"], "drop")
    assert arrive(rt, "1", **COMBINED) == "same"
    assert rt.state("2")["state"] == "delivered"


def test_orders_combined_one_after_the_other_wait_for_all_of_them(redis: Redis) -> None:
    rt = runtime(redis, Cancellable())
    arrive(rt, "1", version=1)
    deliver(rt)
    for number in "23":
        arrive(rt, number, version=1)
    arrive(rt, "1", **COMBINED)
    arrive(rt, "2", **COMBINED | {"combined_into": "3"})
    rt.warehouse.cancel = lambda *_: (_ for _ in ()).throw(Rejected("shipped"))
    deliver(rt)
    assert (rt.state("1")["state"], rt.state("2")["state"], rt.state("3")["state"]) == ("dead", "withdrawn", "held")
    assert "shop:1 was combined into it" in rt.state("3")["detail"]


def test_a_removed_order_needs_no_field_of_its_reference(redis: Redis) -> None:
    rt = runtime(redis, Cancellable(), reference="{external_id}-{display_id}")
    arrive(rt, version=1, display_id="A1")
    deliver(rt)
    arrive(rt, **COMBINED)
    deliver(rt)
    assert rt.warehouse.cancelled == ["1-A1"]
    assert arrive(rt, "7", **COMBINED) == "unwanted"


def test_orders_that_retailcrm_deletes_and_combines_are_held_where_they_cannot_be_cancelled(
    make_pipeline: MakePipeline,
) -> None:
    pipeline = make_pipeline(5).open()
    pipeline.poll()
    pipeline.deliver_all()
    deleted, combined, kept, heir, other = (str(order["id"]) for order in pipeline.box.orders("retailcrm"))
    pipeline.box.change(deleted, deleted=True)
    pipeline.box.change(combined, combinedTo=int(heir))
    pipeline.box.change(kept, combinedTo=int(heir), status="cancel-other")
    pipeline.poll()
    pipeline.deliver_all()
    for number, reason in (
        (deleted, "deleted at the source"),
        (combined, f"combined into shop:{heir}"),
        (kept, f"combined into shop:{heir}"),
    ):
        record = pipeline.record(number)
        assert (record["state"], record["detail"].startswith(f"{reason}, and dropday cannot")) == ("held", True)
        assert record["detail"].endswith(f"there by hand, then: intake release dropday shop:{number} --drop")
    assert [pipeline.record(number)["state"] for number in (heir, other)] == ["delivered", "delivered"]
    assert len(pipeline.created()) == 5
