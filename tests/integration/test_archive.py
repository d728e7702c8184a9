"""Archived orders: what their record keeps, and how a change unarchives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.orders import order
from support.redis_text import text
from worker.store.limits.limiter import Scope
from worker.store.orders import payload
from worker.store.orders.delivery import Delivery, OnChange
from worker.store.orders.drains import Outcome
from worker.store.orders.lanes import Lane
from worker.store.orders.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

    from worker.store.orders.drains import Drain

KEY = "shop:1"


@pytest.fixture
def ledger(redis: Redis) -> Ledger:
    return Ledger(redis, lease=60.0)


@pytest.fixture
def lane(redis: Redis) -> Lane:
    return Lane(redis, "t", Scope(redis, "t", ()), lease=60.0, heartbeat=10.0, max_tries=3, concurrency=2)


@pytest.fixture
def drain(lane: Lane) -> Iterator[Drain]:
    with lane.drain() as drain:
        yield drain


def accept(ledger: Ledger, version: int = 1, on_change: OnChange = "update", key: str = "1", **fields: Any) -> str:
    made = order(key, version=version, note=f"v{version}", **fields)
    return ledger.accept("t", [Delivery(made, f"R{key}")], "poll shop", on_change=on_change).results[0]


def deliver(drain: Drain, kind: Any = "delivered", target_id: str = "77") -> None:
    claims = drain.claim(10)
    assert set(drain.settle([(claim, Outcome(kind, extra=target_id)) for claim in claims])) == {"delivered"}


def record(ledger: Ledger, key: str = KEY) -> dict[str, str]:
    return ledger.entries(["t"], key)[0].record


def events(ledger: Ledger, key: str = KEY) -> list[str]:
    return [event for _, event in ledger.entries(["t"], key)[0].history]


def expire_histories(redis: Redis) -> None:
    """Delete all histories, as their expiry does."""
    redis.delete(*redis.keys("intake:histories:t:*"))


def test_an_archived_order_has_no_key_of_its_own_and_keeps_its_record(
    redis: Redis, ledger: Ledger, drain: Drain
) -> None:
    accept(ledger, 9_223_372_036_854_775_807)
    [claim] = drain.claim(1)
    before = record(ledger)
    drain.settle([(claim, Outcome("delivered", extra="77"))])
    assert redis.keys("*shop:1*") == []
    after = record(ledger)
    same = ("reference", "fingerprint", "version", "seen")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert (after["state"], after["target_id"], after["sent"]) == ("delivered", "77", after["fingerprint"])
    assert ledger.standing("t", KEY) == ("delivered", after["fingerprint"], after["done"], "", "", "", "")
    assert [event.split()[0] for event in events(ledger)] == ["accepted", "claimed", "delivered"]


@pytest.mark.parametrize("history", ["with its history", "after its history expired"])
def test_an_archived_order_is_never_created_again_and_never_overwritten_by_an_older_version(
    redis: Redis, ledger: Ledger, drain: Drain, history: str
) -> None:
    accept(ledger, 5)
    deliver(drain)
    if history == "after its history expired":
        expire_histories(redis)
    assert [accept(ledger, 5), accept(ledger, 4), accept(ledger, 3)] == ["same", "stale", "stale"]
    assert drain.claim(1) == []
    assert record(ledger)["version"] == "5"


def test_a_later_version_with_the_same_content_updates_the_version_of_an_archived_order(
    redis: Redis, ledger: Ledger, drain: Drain
) -> None:
    def push(version: int, note: str) -> str:
        made = order("1", version=version, note=note)
        return ledger.accept("t", [Delivery(made, "R1")], "poll shop", on_change="update").results[0]

    push(1, "a")
    deliver(drain)
    assert [push(7, "a"), push(6, "b")] == ["same", "stale"]
    assert record(ledger)["version"] == "7"
    assert redis.keys("intake:order:*") == []


@pytest.mark.parametrize("history", ["with its history", "after its history expired"])
def test_a_change_unarchives_an_order_and_is_sent_under_the_targets_id(
    redis: Redis, ledger: Ledger, drain: Drain, history: str
) -> None:
    accept(ledger, 1)
    deliver(drain, target_id="7a2c1e0e-93a4-4a0e-8f1e-0f8a52f0c8b1")
    if history == "after its history expired":
        expire_histories(redis)
    assert accept(ledger, 2) == "updating"
    assert redis.keys("intake:archive:*") == []
    [claim] = drain.claim(1)
    assert (claim.is_update, claim.target_id, claim.reference) == (True, "7a2c1e0e-93a4-4a0e-8f1e-0f8a52f0c8b1", "R1")
    drain.settle([(claim, Outcome("updated", extra=claim.target_id))])
    assert redis.keys("intake:order:*") == redis.keys("intake:history:*") == redis.keys("intake:payload:*") == []
    recorded = [event.split()[0] for event in events(ledger)]
    assert recorded == ([] if history == "after its history expired" else ["accepted", "claimed", "delivered"]) + [
        "changed",
        "claimed",
        "updated",
    ]


def test_an_ignored_change_is_recorded_and_the_order_is_archived_again(
    redis: Redis, ledger: Ledger, drain: Drain
) -> None:
    accept(ledger, 1)
    deliver(drain)
    assert [accept(ledger, 2, "ignore"), accept(ledger, 2, "ignore")] == ["changed", "same"]
    assert redis.keys("intake:order:*") == redis.keys("intake:history:*") == redis.keys("intake:payload:*") == []
    assert events(ledger)[-1] == "changed after delivery"
    assert record(ledger)["sent"] != record(ledger)["fingerprint"]


def test_a_repeated_settle_of_an_archived_order_returns_the_same_result(
    ledger: Ledger, drain: Drain, lane: Lane
) -> None:
    accept(ledger)
    [claim] = drain.claim(1)
    done = Outcome("delivered", extra="77")
    assert [drain.settle([(claim, done)]), drain.settle([(claim, done)])] == [["delivered"], ["delivered"]]
    assert drain.settle([(claim, Outcome("existed", extra="78"))]) == ["refused"]
    with lane.drain() as other:
        assert other.settle([(claim, done)]) == ["refused"]
    assert record(ledger)["target_id"] == "77"


@pytest.mark.parametrize("action", ["create", "update"])
def test_an_archived_order_is_resent_only_in_the_state_that_was_read(ledger: Ledger, drain: Drain, action: Any) -> None:
    accept(ledger, 1)
    deliver(drain)
    seen, delivery = ledger.standing("t", KEY), Delivery(order("1", version=1, note="v1"), "R1")
    other = seen._replace(done="1")
    assert ledger.resend("t", delivery, action, seen=other, source="reconcile", target_id="77") == "moved"
    assert drain.claim(1) == []
    assert ledger.resend("t", delivery, action, seen=seen, source="reconcile", target_id="77") == "queued"
    assert ledger.resend("t", delivery, action, seen=seen, source="reconcile", target_id="77") == "moved"
    [claim] = drain.claim(1)
    assert (claim.is_update, claim.uncertain, claim.target_id) == (
        (True, "", "77") if action == "update" else (False, "ask", "")
    )


@pytest.mark.parametrize(
    ("key", "reference", "target_id", "version"),
    [
        ("1", "1", "1", 0),
        ("1", "2", "1", 1),
        ("2", "1", "", 12),
        ("0017", "0017", "000", 10**15),
        ("a:b", "x", "a" * 255, 2**63 - 1),
        ("k" * 255, "r" * 255, "t" * 600, 3),
        ("ключ", "№ 7", "=#", 4),
        ("ab" * 32, "f" * 64, "0" * 64, 5),
        ("3", "e" * 59, "e" * 59, 6),
    ],
)
def test_every_field_of_an_archived_record_is_restored_exactly(  # noqa: PLR0913, PLR0917  # four fields vary
    redis: Redis, ledger: Ledger, drain: Drain, key: str, reference: str, target_id: str, version: int
) -> None:
    made = order(key, version=version, note="a")
    ledger.accept("t", [Delivery(made, reference)], "poll shop", on_change="update")
    deliver(drain, target_id=target_id)
    assert redis.keys("intake:order:*") == []
    archived = record(ledger, made.key)
    expected = {"reference": reference, "target_id": target_id, "version": str(version)}
    assert expected | {"fingerprint": made.fingerprint()} == {
        name: archived[name] for name in (*expected, "fingerprint")
    }
    changed = (
        order(key, version=version + 1, note="b") if version < 2**63 - 1 else order(key, version=version, note="b")
    )
    ledger.accept("t", [Delivery(changed, reference)], "poll shop", on_change="update")
    assert redis.keys("intake:archive:*") == []
    assert record(ledger, made.key)["target_id"] == target_id


def test_records_of_every_length_are_restored_and_leave_nothing_behind(
    redis: Redis, ledger: Ledger, drain: Drain
) -> None:
    for version, length in enumerate([*range(140, 0, -1), 300, 1], 1):
        accept(ledger, version)
        deliver(drain, "delivered" if version == 1 else "updated", "t" * length)
        assert record(ledger)["target_id"] == "t" * length
    assert sum(redis.hlen(name) for name in redis.keys("intake:archive:*")) == 1


def test_orders_share_pages_of_histories_and_each_keeps_its_own(ledger: Ledger, redis: Redis, drain: Drain) -> None:
    for n in range(300):
        accept(ledger, key=str(n))
    while claims := drain.claim(50):
        drain.settle([(claim, Outcome("delivered", extra=f"T{claim.key}")) for claim in claims])
    assert len(redis.keys("intake:histories:t:*")) == 3
    for n in range(300):
        assert events(ledger, f"shop:{n}")[-1] == f"delivered Tshop:{n}"
    assert all(0 < redis.ttl(name) <= 30 * 86400 for name in redis.keys("intake:histories:t:*"))


def test_the_same_key_in_another_target_is_another_order(redis: Redis, ledger: Ledger, drain: Drain) -> None:
    accept(ledger)
    deliver(drain)
    other = ledger.accept("t2", [Delivery(order("1", version=1, note="v1"), "R1")], "poll shop")
    assert other.results == ("new",)
    assert ledger.entries(["t2"], KEY)[0].record["state"] == "queued"


def test_a_live_record_takes_precedence_over_an_archived_one_and_replaces_it(
    redis: Redis, ledger: Ledger, drain: Drain
) -> None:
    accept(ledger, 1)
    deliver(drain, target_id="t" * 300)
    redis.hset(
        "intake:order:t:shop:1",
        mapping={
            "state": "delivered",
            "reference": "R1",
            "fingerprint": "f",
            "version": "9",
            "done": "5",
            "target_id": "9",
        },
    )
    assert (record(ledger)["target_id"], accept(ledger, 8)) == ("9", "stale")
    assert accept(ledger, 10) == "updating"
    deliver(drain, "updated", "9")
    assert redis.keys("intake:order:*") == []
    assert (record(ledger)["target_id"], record(ledger)["version"]) == ("9", "10")
    assert sum(redis.hlen(name) for name in redis.keys("intake:archive:*")) == 1


@pytest.mark.parametrize("note", ["", "x", "1", "{}", '{"a": "\u20ac ключ"}' * 50, "{" + "q" * 100_000])
def test_content_is_compressed_and_restored_exactly(note: str) -> None:
    made = order("1", note=note).model_dump_json(exclude_defaults=True)
    assert payload.unpack(payload.pack(made)) == made
    assert payload.unpack(made) == made
    assert len(payload.pack(made)) < len(made)


def test_contents_are_compressed_while_many_orders_wait(
    ledger: Ledger, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that has not written to the lane yet takes it for a long one."""
    monkeypatch.setattr("worker.store.orders.ledger.FEW", 3)
    packed = []
    for number in ("1", "2", "3", "4"):
        ledger.accept("t", [Delivery(order(number), f"R{number}")], "poll shop")
        packed.append(not text(redis.get(f"intake:payload:t:shop:{number}")).startswith("{"))
    assert packed == [True, False, False, True]


def test_a_long_content_is_compressed_although_few_orders_wait(ledger: Ledger, redis: Redis) -> None:
    ledger.accept("t", [Delivery(order("1"), "R1")], "poll shop")
    ledger.accept("t", [Delivery(order("2", note="long " * 5000), "R2")], "poll shop")
    assert len(text(redis.get("intake:payload:t:shop:2"))) < 2000
