"""The memory of what a target has: an update knows what changed since the last send, whatever happened on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

import tasks.deliver
import tasks.poll
from schemas.order import Status
from support.fake_runtime import Editable, FakeRuntime, Shop, Warehouse
from support.forgetting import Rewind
from tasks.attempt import attempt
from tasks.intentions import intend
from worker.errors import Held, LeaseLost, Rejected, Uncertain
from worker.settings.routes import Route
from worker.store.orders.erasure import Eraser
from worker.store.redis import keys

if TYPE_CHECKING:
    from redis import Redis

    from schemas.changes import Changes
    from schemas.order import Order
    from worker.errors import IntakeError
    from worker.store.orders.delivery import OnChange
    from worker.systems.target import Pending, Receipt


class Recording(Editable):
    """A target that notes the changes of each update."""

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[Changes] = []
        #: The statuses of a cancellation for which it has a status of its own.
        self.statuses: set[Status] = set()

    def expresses(self, status: Status) -> bool:
        return status in self.statuses

    def update(self, order: Order, reference: str, target_id: str, changes: Changes) -> None:
        super().update(order, reference, target_id, changes)
        self.changes.append(changes)

    def cancel(self, order: Order, reference: str, target_id: str) -> None:
        self.updated.append((reference, target_id, "cancelled"))


class Refusing(Recording):
    """A target that refuses duplicates: the response names the order that it has."""

    dedupes = True

    def create(self, order: Order, reference: str) -> Receipt | Pending:
        known = self.find(reference)
        return super().create(order, reference) if known is None else known


@dataclass
class Bench:
    """One order, its versions at the source, and the lane of the target."""

    rt: FakeRuntime[Shop, Recording]
    version: int = 0

    @property
    def target(self) -> Recording:
        return self.rt.warehouse

    def poll(self, **fields: Any) -> None:
        self.version += 1
        self.rt.shop.pages = [*self.rt.shop.pages, [{"id": 1, "version": self.version, **fields}]]
        tasks.poll.poll(self.rt, "shop", self.rt.nudge)

    def deliver(self) -> None:
        tasks.deliver.deliver(self.rt, "t", self.rt.nudge)

    def send(self, **fields: Any) -> None:
        self.poll(**fields)
        self.deliver()

    def paths(self) -> list[set[str]]:
        """Return what changed in each update: paths and lines; {"all"} if it was not known what was sent."""
        return [
            {*change.fields, *change.lines, *change.added} if change.known else {"all"}
            for change in self.target.changes
        ]

    def crash(self, *, sent: bool) -> None:
        """Claim the order and die before or after it is sent; a sweep frees it when the lease ends."""
        lane = self.rt.lanes["t"]
        drain = lane.drain()
        (claim,) = drain.claim(1)
        intend(self.rt, "t", drain, [claim])
        if sent:
            attempt(self.target, claim)
        self.rt.redis.zadd(lane.keys.drains, {drain.name: 1})
        assert lane.sweep().freed == 1


@pytest.fixture
def bench(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr("tasks.attempt.backoff", lambda _: 0.0)
    return Bench(FakeRuntime(redis, Shop([]), Recording()))


def routes(on_change: OnChange) -> tuple[Route, ...]:
    return (Route(source="shop", targets=("t",), on_change=on_change),)


def test_an_update_is_told_what_changed_since_the_last_send_confirmed(bench: Bench) -> None:
    bench.send(note="call")
    bench.send(note="ring")
    bench.send(note="ring", gift_message="hi")
    bench.send(gift_message="hi")
    assert bench.paths() == [{"note"}, {"gift_message"}, {"note"}]


def test_changes_that_wait_together_are_one_update(bench: Bench) -> None:
    bench.send(note="call")
    bench.poll(note="ring")
    bench.poll(note="ring", gift_message="hi")
    bench.deliver()
    assert bench.paths() == [{"note", "gift_message"}]


def test_a_lost_response_of_an_update_is_made_good_by_the_next_one(bench: Bench) -> None:
    bench.send(note="call")
    bench.poll(note="ring", gift_message="hi")
    bench.crash(sent=True)
    bench.poll(note="call")
    bench.deliver()
    assert bench.paths() == [{"note", "gift_message"}] * 2
    bench.send(note="call", tags=["a"])
    assert bench.paths()[2:] == [{"tags"}]


def test_an_update_without_a_response_that_is_repeated_is_the_same(bench: Bench) -> None:
    bench.send(note="call")
    bench.target.trouble = [Uncertain("cut"), None]
    bench.send(note="ring")
    bench.send(note="ring", tags=["a"])
    assert bench.paths() == [{"note"}, {"tags"}]


@pytest.mark.parametrize("sent", [True, False])
def test_a_lost_creation_of_other_content_leaves_the_difference_to_be_written(bench: Bench, *, sent: bool) -> None:
    bench.poll(note="call")
    bench.crash(sent=sent)
    bench.poll(note="ring")
    bench.deliver()
    assert bench.paths() == ([{"note"}] if sent else [])
    bench.send(note="ring", tags=["a"])
    assert bench.paths()[sent:] == [{"tags"}]


def test_an_order_found_after_a_loss_of_the_ledger_has_what_the_source_has(bench: Bench) -> None:
    bench.send(note="call")
    bench.rt.redis.flushall()
    bench.rt.shop.pages = []
    bench.send(note="call")
    bench.send(note="ring")
    assert len(bench.target.created) == 1
    assert bench.paths() == [{"note"}]


def test_a_change_before_the_creation_is_refused_as_a_duplicate_arrives(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.attempt.backoff", lambda _: 0.0)
    bench = Bench(FakeRuntime(redis, Shop([]), Refusing()))
    bench.send(note="call")
    redis.flushall()
    bench.rt.shop.pages = []
    bench.poll(note="call")
    bench.poll(note="ring")
    bench.deliver()
    assert len(bench.target.created) == 1
    assert bench.paths() == [{"all"}]


def _forget(bench: Bench) -> None:
    """Create the order, and let Redis be as it was before: another server, to which a backup was restored."""
    bench.poll(note="call")
    rewind = Rewind(bench.rt.redis)
    rewind.save()
    bench.deliver()
    rewind.restore()
    bench.rt.redis.hset(keys.ERA, "server", "f" * 40)
    assert len(bench.target.created) == 1


def _finish(bench: Bench) -> None:
    """Deliver until the quarantine of the new era has ended and all is done."""
    bench.deliver()
    bench.rt.redis.decrby(keys.EPOCH, 3_600_000)
    bench.deliver()
    assert len(bench.target.created) == 1
    assert bench.rt.state("1")["state"] == "delivered"


def test_a_change_after_a_creation_that_was_forgotten_arrives(bench: Bench) -> None:
    _forget(bench)
    bench.poll(note="ring")
    _finish(bench)
    assert bench.paths() == [{"all"}]


def test_a_cancellation_after_a_creation_that_was_forgotten_arrives(bench: Bench) -> None:
    bench.target.statuses = {Status.CANCELLED}
    _forget(bench)
    bench.poll(note="call", status="cancelled")
    _finish(bench)
    assert bench.paths() == [{"all"}]


def test_a_change_after_a_call_whose_intention_was_forgotten_arrives(bench: Bench) -> None:
    bench.poll(note="call")
    bench.crash(sent=True)
    bench.rt.redis.hdel(f"{bench.rt.lanes['t'].keys.order}shop:1", "sent_fields", "tried_fields")
    bench.poll(note="ring")
    bench.deliver()
    assert len(bench.target.created) == 1
    assert bench.paths() == [{"all"}]


def test_an_order_that_did_not_change_since_a_forgotten_creation_is_left_alone(bench: Bench) -> None:
    _forget(bench)
    bench.poll(note="call")
    _finish(bench)
    assert bench.paths() == []


def test_an_order_that_a_person_found_in_the_target_has_what_was_tried(bench: Bench) -> None:
    bench.target.after = [Uncertain("cut")]
    bench.target.before_find = _unavailable
    bench.send(note="call")
    assert bench.rt.state("1")["state"] == "in_doubt"
    bench.poll(note="ring")
    assert bench.rt.stuck["t"].move("delivered", ["shop:1"], target_id="1") == {"shop:1": "moved"}
    bench.deliver()
    assert bench.paths() == [{"note"}]


def _unavailable(_: str) -> None:
    raise Uncertain("cut")


def test_content_that_is_replaced_while_it_is_sent_is_compared_with_what_was_sent(bench: Bench) -> None:
    bench.send(note="call")
    bench.poll(note="ring")
    with bench.rt.lanes["t"].drain() as drain:
        (claim,) = drain.claim(1)
        intend(bench.rt, "t", drain, [claim])
        bench.poll(note="ring", tags=["a"])
        drain.settle([(claim, attempt(bench.target, claim))])
    bench.deliver()
    assert bench.paths() == [{"note"}, {"tags"}]


def test_a_creation_that_is_refused_leaves_nothing_behind(bench: Bench) -> None:
    bench.target.trouble = [Rejected("no")]
    bench.send(note="call")
    bench.send(note="ring")
    bench.send(note="call")
    assert bench.paths() == [{"note"}]


def test_a_change_that_was_discarded_may_have_arrived(bench: Bench) -> None:
    bench.send(note="call")
    bench.target.trouble = [Rejected("no")]
    bench.send(note="ring")
    bench.rt.stuck["t"].move("discard", ["shop:1"])
    bench.send(note="call", tags=["a"])
    assert bench.paths() == [{"note", "tags"}]


def test_after_a_cancellation_the_status_is_to_be_written_again(bench: Bench) -> None:
    bench.send(note="call")
    bench.send(note="call", status="cancelled")
    bench.send(note="call", tags=["a"])
    assert bench.paths() == [{"status", "tags"}]


@pytest.mark.parametrize("refusal", [Rejected("no"), Held("an amount cannot be written")])
def test_of_a_cancellation_alone_nothing_is_recorded_that_was_refused(bench: Bench, refusal: IntakeError) -> None:
    bench.target.statuses = {Status.CANCELLED}
    bench.send(note="call")
    bench.target.trouble = [refusal]
    bench.send(note="ring", gift_message="hi", status="cancelled")
    assert (bench.target.updated, bench.rt.state("1")["state"]) == ([("1", "1", "cancelled")], "delivered")
    bench.send(note="ring", gift_message="hi", status="cancelled", tags=["a"])
    assert bench.paths() == [{"note", "gift_message", "status", "tags"}]
    bench.send(note="ring", status="cancelled", tags=["a"])
    assert bench.paths()[1:] == [{"gift_message"}]


def test_a_change_that_is_held_and_released_is_an_update_as_well(redis: Redis) -> None:
    bench = Bench(FakeRuntime(redis, Shop([]), Recording(), routes=routes("hold")))
    bench.send(note="call")
    bench.poll(note="ring")
    bench.rt.lanes["t"].release(["shop:1"], "send")
    bench.deliver()
    assert bench.paths() == [{"note"}]


def test_an_erased_order_is_remembered_no_more_and_written_as_a_whole(bench: Bench) -> None:
    bench.send(note="call")
    eraser = Eraser(bench.rt.redis, ["t"], bench.rt.cursors, bench.rt.inbox)
    assert eraser.erase(eraser.find([], ["shop:1"], None)) == {"t": {"shop:1": "delivered"}}
    bench.send(note="ring")
    assert bench.paths() == [{"all"}]


def test_a_drain_that_was_taken_over_sends_nothing(bench: Bench) -> None:
    bench.poll(note="call")
    lane = bench.rt.lanes["t"]
    drain = lane.drain()
    (claim,) = drain.claim(1)
    bench.rt.redis.zadd(lane.keys.drains, {drain.name: 1})
    with pytest.raises(LeaseLost):
        intend(bench.rt, "t", drain, [claim])
    assert lane.sweep().freed == 1
    other = lane.drain()
    other.claim(1)
    with pytest.raises(LeaseLost):
        intend(bench.rt, "t", drain, [claim])


@pytest.mark.parametrize(("target", "change"), [(Warehouse, "update"), (Editable, "ignore")])
def test_what_no_update_follows_costs_nothing(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, target: type[Warehouse], change: OnChange
) -> None:
    monkeypatch.setattr("tasks.intentions.fingerprints", _unavailable)
    rt = FakeRuntime(redis, Shop([[{"id": 1}]]), target(), routes=routes(change))
    tasks.poll.poll(rt, "shop", rt.nudge)
    tasks.deliver.deliver(rt, "t", rt.nudge)
    assert rt.state("1")["state"] == "delivered"


def test_the_memory_is_kept_with_an_archived_order_of_any_size(bench: Bench) -> None:
    lines = [{"name": f"Mug {number}", "quantity": 1, "unit_price": 1} for number in range(40)]
    bench.send(lines=lines)
    bench.send(lines=[*lines[:-1], {**lines[-1], "quantity": 2}])
    assert bench.paths() == [{"Mug 39"}]
