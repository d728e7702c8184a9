"""Whatever fails on one record is that record's dead letter, however it arrives; the others are accepted."""

from __future__ import annotations

import json
import random
from decimal import InvalidOperation
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import DataError, ResponseError
from structlog.testing import capture_logs

import tasks.backfill
import tasks.fetch
import tasks.listen
import tasks.poll
from schemas.order import Order, Written
from support.fake_runtime import FakeRuntime, Shop
from support.orders import order
from tasks.dead_records import letter_id
from worker.store.redis.scripts import Scripts
from worker.systems.provider import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis import Redis

    from worker.store.redis.catalog import Argument, Script

#: The order on which everything fails.
BAD: Final = "2"
GOOD: Final = ("1", "3")


class Fragile(Shop):
    """A shop with the orders 1 to 3; `failing` is called for the bad one, and may change its order."""

    def __init__(self) -> None:
        super().__init__([[{"id": number} for number in ("1", BAD, "3")]])
        self.failing: Callable[[Order], Order] = lambda order: order

    def fetch_one(self, external_id: str) -> Record | None:
        return Record({"id": external_id})

    def normalize(self, record: Record) -> Order:
        order = super().normalize(record)
        return self.failing(order) if order.external_id == BAD else order


@pytest.fixture
def rt(redis: Redis) -> FakeRuntime[Fragile]:
    return FakeRuntime(redis, Fragile())


def by_poll(rt: FakeRuntime[Fragile]) -> None:
    tasks.poll.poll(rt, "shop", rt.nudge)


def by_backfill(rt: FakeRuntime[Fragile]) -> None:
    ordered_at = order().ordered_at
    rt.backfills.begin("shop", ordered_at, ordered_at.replace(year=2127))
    tasks.backfill.backfill(rt, "shop", rt.nudge)


def by_hint(rt: FakeRuntime[Fragile]) -> None:
    rt.fetches.add("shop", ["1", BAD, "3"])
    tasks.fetch.fetch(rt, "shop", rt.nudge)


def by_push(rt: FakeRuntime[Fragile]) -> None:
    rt.inbox.push([json.dumps({"v": 1, "provider": "shop", "record": {"id": number}}) for number in ("1", BAD, "3")])
    with rt.inbox.taker() as taker:
        tasks.listen.take(rt, taker, rt.nudge)


def dead(rt: FakeRuntime[Fragile]) -> list[str]:
    pushed = [json.loads(letter.raw)["record"]["id"] for letter in rt.inbox.letters().values()]
    return pushed + list(rt.cursors.letters("shop"))


def raises(error: Exception) -> Callable[[Any], Any]:
    def fail(_: object) -> Any:
        raise error

    return fail


def normalizing(error: Exception) -> Callable[[FakeRuntime[Fragile], pytest.MonkeyPatch], None]:
    def arrange(rt: FakeRuntime[Fragile], _: pytest.MonkeyPatch) -> None:
        rt.shop.failing = raises(error)

    return arrange


def replacing(**fields: Any) -> Callable[[FakeRuntime[Fragile], pytest.MonkeyPatch], None]:
    def arrange(rt: FakeRuntime[Fragile], _: pytest.MonkeyPatch) -> None:
        rt.shop.failing = lambda order: order.model_copy(update=fields)

    return arrange


def _patched(rt: FakeRuntime[Fragile], monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    real = getattr(rt, name)

    def fail(order: Order) -> Any:
        if order.external_id == BAD:
            raise LookupError("a value of the order")
        return real(order)

    monkeypatch.setattr(rt, name, fail)


def routing(rt: FakeRuntime[Fragile], monkeypatch: pytest.MonkeyPatch) -> None:
    _patched(rt, monkeypatch, "is_echo")


def fingerprinting(_: FakeRuntime[Fragile], monkeypatch: pytest.MonkeyPatch) -> None:
    real = Order.written

    def fail(order: Order) -> Written:
        if order.external_id == BAD:
            raise ValueError("a value of the order")
        return real(order)

    monkeypatch.setattr(Order, "written", fail)


def refusing(error: Exception) -> Callable[[FakeRuntime[Fragile], pytest.MonkeyPatch], None]:
    class Refusing(Scripts):
        def __call__(self, script: Script, items: Sequence[Argument] = (), /, **named: Argument) -> Any:
            if script.name == "accept" and f"shop:{BAD}" in items:
                raise error
            return super().__call__(script, items, **named)

    def arrange(rt: FakeRuntime[Fragile], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rt.ledger, "_scripts", Refusing(rt.redis))

    return arrange


FAILURES: Final = {
    "the adapter fails": normalizing(KeyError("a value")),
    "the adapter nests too deep": normalizing(RecursionError()),
    "the adapter calculates": normalizing(InvalidOperation()),
    "the adapter encodes": normalizing(UnicodeEncodeError("utf-8", "\ud83d", 0, 1, "surrogates not allowed")),
    "the adapter fills the memory": normalizing(MemoryError()),
    "it has no JSON": replacing(custom={"shop": "\ud83d"}),
    "it has no reference": replacing(external_id=""),
    "it is too large": replacing(note=random.Random(1).randbytes(1_500_000).hex()),
    "its reference is too large": replacing(external_id="x" * 5000),
    "routing fails": routing,
    "the fingerprint fails": fingerprinting,
    "a script fails": refusing(
        ResponseError("ERR number has no integer representation script: 1f, on @user_script:9.")
    ),
    "the client refuses": refusing(DataError("Invalid input of type")),
}


@pytest.mark.parametrize("bring", [by_poll, by_backfill, by_hint, by_push])
@pytest.mark.parametrize("failure", FAILURES)
def test_what_fails_on_one_record_is_its_dead_letter_and_the_others_are_accepted(
    rt: FakeRuntime[Fragile],
    monkeypatch: pytest.MonkeyPatch,
    failure: str,
    bring: Callable[[FakeRuntime[Fragile]], None],
) -> None:
    FAILURES[failure](rt, monkeypatch)
    bring(rt)
    assert [number for number in ("1", BAD, "3") if rt.ledger.entries(["t"], f"shop:{number}")] == list(GOOD)
    assert len(dead(rt)) == 1
    if failure not in {"it has no reference", "its reference is too large"}:
        assert dead(rt) == [BAD]
    if bring is by_poll:
        assert rt.cursors.status("shop")["value"] == "1"
    reasons = [letter["reason"] for letter in rt.cursors.letters("shop").values()]
    reasons += [letter.reason for letter in rt.inbox.letters().values()]
    assert "a value" not in reasons[0]


def test_the_field_that_has_no_json_is_named(rt: FakeRuntime[Fragile]) -> None:
    rt.shop.failing = lambda order: order.model_copy(update={"custom": {"shop": "\ud83d"}})
    by_poll(rt)
    assert rt.cursors.letters("shop")[BAD]["field"] == "custom"


@pytest.mark.parametrize("error", [RedisConnectionError("gone"), ResponseError("READONLY You can't write")])
def test_a_redis_that_is_away_is_not_the_fault_of_a_record(
    rt: FakeRuntime[Fragile], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    refusing(error)(rt, monkeypatch)
    with pytest.raises(type(error)):
        by_poll(rt)
    assert rt.cursors.letters("shop") == {}
    assert "value" not in rt.cursors.status("shop")


def test_a_redis_that_refuses_all_of_many_orders_stops_the_feed(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    rt = FakeRuntime(redis, Shop([[{"id": n} for n in range(20)]]))
    monkeypatch.setattr(rt.ledger, "_scripts", lambda *_, **__: raises(ResponseError("ERR on @user_script:9."))(0))
    with pytest.raises(ResponseError):
        tasks.poll.poll(rt, "shop", rt.nudge)
    assert rt.cursors.letters("shop") == {}


def test_a_fault_of_all_records_is_reported_once_and_not_again_at_the_next_poll(redis: Redis) -> None:
    pages: list[list[dict[str, Any]]] = [[{"id": f"{page}-{n}", "bad": 1} for n in range(100)] for page in range(2)]
    rt = FakeRuntime(redis, Shop(pages))
    for lines in (2, 0):
        with capture_logs() as logged:
            tasks.poll.poll(rt, "shop", rt.nudge, gap=-1)
        errors = [line for line in logged if line["log_level"] == "error"]
        assert len(errors) == lines
        if lines:
            assert [line["event"] for line in errors] == ["record.malformed", "records.malformed"]
            assert errors[1]["count"] == 200
        assert len(rt.cursors.letters("shop")) == 200
        since = {letter["at"] for letter in rt.cursors.letters("shop").values()}
        rt.redis.hset("intake:cursor:shop", "value", "0")
    assert min(since) == min(letter["at"] for letter in rt.cursors.letters("shop").values())


def test_another_reason_is_reported_again(rt: FakeRuntime[Fragile]) -> None:
    for error, lines in ((KeyError("k"), 1), (KeyError("k"), 0), (ValueError("v"), 1)):
        rt.shop.failing = raises(error)
        rt.redis.delete("intake:cursor:shop")
        with capture_logs() as logged:
            by_poll(rt)
        assert [line["event"] for line in logged if line["log_level"] == "error"] == ["record.malformed"] * lines


JSON: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals(allow_nan=True)
    | st.text(st.characters(exclude_categories=())),
    lambda value: st.lists(value, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=())), value),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(own=JSON, rest=JSON)
def test_every_record_can_be_a_dead_letter(rt: FakeRuntime[Fragile], own: Any, rest: Any) -> None:
    record = Record({"id": own, "rest": rest})
    letter = letter_id(rt.shop, record)
    assert 1 <= len(letter) <= 255
    rt.cursors.bury("shop", letter, record.raw, "rest", "any")
    assert rt.cursors.letter("shop", letter) is not None
    assert letter in rt.cursors.letters("shop")


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "raw",
    [
        {"id": "x" * 10_000_000},
        {"id": 10**5000},
        {"id": "\ud83d"},
        {"id": "a\nb\x1b[31m"},
        {"id": True},
        {"id": "7", "rest": nested(10_000)},
        {"id": "7", "rest": 10**5000},
        {"id": "7", "rest": float("nan")},
        {"id": "7", 7: {None: {b"x": object()}}},
        {"id": "7", "rest": ["x" * 100] * 100_000},
    ],
    ids=range(10),
)
def test_a_record_of_any_size_and_depth_can_be_a_dead_letter(rt: FakeRuntime[Fragile], raw: dict[Any, Any]) -> None:
    letter = letter_id(rt.shop, Record(raw))
    assert letter == "7" if raw["id"] == "7" else letter.startswith("sha-")
    rt.cursors.bury("shop", letter, raw, "rest", "any")
    kept = rt.cursors.letter("shop", letter)
    assert kept
    assert len(kept["raw"]) <= 65_536
