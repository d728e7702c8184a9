"""The inbox on a real Redis: a job belongs to its taker until it is in the ledger, and no job can break the worker."""

from __future__ import annotations

import hmac
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

import tasks.accept
import tasks.fetch
import tasks.listen
import tasks.poll
import tasks.sweep
from schemas.job import INBOX
from support.fake_runtime import FakeRuntime, Shop
from worker.errors import AuthFailed, LeaseLost, RateLimited, Rejected, StoreFull, Unavailable
from worker.settings.producers import InboxSettings, Producer
from worker.settings.routes import Route
from worker.store.feeds.work import read_work
from worker.store.inbox import POISON, Taker
from worker.systems.provider import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis


class Single(Shop):
    """A shop that returns single orders from `orders`."""

    def __init__(self) -> None:
        super().__init__([])
        self.orders: dict[str, Record] = {}
        self.fetched: list[str] = []

    def fetch_one(self, external_id: str) -> Record | None:
        self.fetched.append(external_id)
        if self.trouble:
            raise self.trouble.pop(0)
        return self.orders.get(external_id)

    def check(self) -> None:
        if self.trouble:
            raise self.trouble.pop(0)


@pytest.fixture
def rt(redis: Redis) -> FakeRuntime:
    return FakeRuntime(redis, Single(), lease=0.5)


@pytest.fixture
def taker(rt: FakeRuntime) -> Iterator[Taker]:
    with rt.inbox.taker() as taker:
        yield taker


def job(**fields: Any) -> str:
    return json.dumps({"v": 1, "provider": "shop", **fields})


def push(rt: FakeRuntime, *jobs: str | bytes) -> None:
    """Push jobs as a producer does, without our code."""
    rt.redis.lpush("intake:inbox", *jobs)


def take(rt: FakeRuntime, taker: Taker) -> None:
    tasks.listen.take(rt, taker, rt.nudge)


def fetch(rt: FakeRuntime) -> None:
    tasks.fetch.fetch(rt, "shop", rt.nudge)


def letters(rt: FakeRuntime) -> dict[str, str]:
    return {letter.code: letter.reason for letter in rt.inbox.letters().values()}


def test_a_pushed_record_becomes_an_order_in_the_lane(rt: FakeRuntime, taker: Taker) -> None:
    push(rt, job(record={"id": "7"}))
    assert rt.inbox.wait(1)
    take(rt, taker)
    assert rt.state("7")["state"] == "queued"
    assert rt.nudged == [("deliver", "t")]
    assert rt.inbox.status() | {"jobs": 1, "waiting": 0, "taken": 0, "dead_now": 0} == rt.inbox.status()


def test_the_same_job_pushed_again_changes_nothing(rt: FakeRuntime, taker: Taker) -> None:
    push(rt, job(record={"id": "7"}), job(record={"id": "7"}))
    take(rt, taker)
    push(rt, job(record={"id": "7"}))
    take(rt, taker)
    assert rt.lanes["t"].status()["queued"] == 1


ORDER = {
    "external_id": "9",
    "status": "new",
    "ordered_at": "2026-01-01T10:00:00+01:00",
    "lines": [{"name": "Mug", "quantity": 2, "unit_price": 49.9}],
    "totals": {"grand": "99.80"},
}


def test_an_order_in_our_own_format_needs_no_adapter_and_keeps_exact_amounts(rt: FakeRuntime, taker: Taker) -> None:
    push(rt, job(order=ORDER))
    take(rt, taker)
    assert letters(rt) == {}
    with rt.lanes["t"].drain() as drain:
        (claim,) = drain.claim(1)
    assert '"unit_price":"49.9"' in claim.payload


def test_a_producer_without_an_api_is_its_own_source(redis: Redis) -> None:
    routes = tuple(Route(source=name, targets=("t",)) for name in ("shop", "web"))
    rt = FakeRuntime(redis, Single(), routes=routes, producers={"web": Producer()})
    push(rt, json.dumps({"v": 1, "provider": "web", "order": ORDER}), job(record={"id": "1"}))
    push(rt, json.dumps({"v": 1, "provider": "web", "record": {"id": 1}}))
    push(rt, json.dumps({"v": 1, "provider": "web", "external_id": "1"}))
    with rt.inbox.taker() as taker:
        take(rt, taker)
    assert len(rt.inbox.letters()) == 2
    assert rt.ledger.entries(["t"], "web:9")[0].record["state"] == "queued"
    assert letters(rt) == {"no_record": "web is a producer: it pushes `order`"}


def test_an_order_without_a_route_is_a_dead_letter(redis: Redis) -> None:
    rt = FakeRuntime(redis, Single(), producers={"web": Producer()})
    push(rt, json.dumps({"v": 1, "provider": "web", "order": ORDER}))
    with rt.inbox.taker() as taker:
        take(rt, taker)
    assert letters(rt) == {"no_route": "no route is from web: the order would go nowhere"}


@pytest.mark.parametrize(
    ("bad", "code", "reason"),
    [
        (b"hello", "not_json", "it is not JSON, or nested too deep"),
        (b"\xff\xfe\x00", "not_json", "it is not JSON, or nested too deep"),
        (b"[" * 100_000, "not_json", "it is not JSON, or nested too deep"),
        (b'{"v":' + b"9" * 5000 + b"}", "not_json", "it is not JSON, or nested too deep"),
        (b"[]", "not_a_job", "the job: Input should be a valid dictionary or instance of Job"),
        (b"{}", "not_a_job", "v: Field required"),
        (b'{"v":2,"provider":"shop","external_id":"1"}', "not_a_job", "v: Input should be 1"),
        (b'{"v":1,"provider":"shop"}', "not_a_job", "give exactly one of"),
        (b'{"v":1,"provider":"shop","external_id":"1","record":{"id":1}}', "not_a_job", "give exactly one of"),
        (b'{"v":1,"provider":"shop","external_id":"1","colour":"red"}', "not_a_job", "colour: Extra inputs"),
        (b'{"v":1,"provider":"shop","external_id":"\\u0000"}', "not_a_job", "external_id: String should match"),
        (b'{"v":1,"provider":"nobody","external_id":"1"}', "unknown_provider", "no provider or producer nobody"),
        (b'{"v":1,"provider":"shop","record":{"bad":1,"id":3}}', "malformed", "items[0].quantity: not a number"),
        (b'{"v":1,"provider":"shop","record":{"x":1}}', "malformed", "bug: the shop adapter failed with KeyError"),
        (b'{"v":1,"provider":"shop","order":{"external_id":"1"}}', "malformed", "order.status: Field required"),
        (b'{"v":1,"provider":"shop","order":{"provider":"other"}}', "malformed", "is not the provider of the job"),
        (
            b'{"v":1,"provider":"shop","record":{"note":"' + b"x" * 1_100_000 + b'"}}',
            "too_large",
            "bytes; a job has at",
        ),
    ],
)
def test_a_bad_job_is_a_dead_letter_with_its_reason_and_the_others_continue(
    rt: FakeRuntime, taker: Taker, bad: bytes, code: str, reason: str
) -> None:
    push(rt, job(record={"id": "1"}), bad, job(record={"id": "2"}))
    take(rt, taker)
    (letter,) = rt.inbox.letters().values()
    assert (letter.code, letter.size) == (code, len(bad))
    assert reason in letter.reason
    assert letter.raw == bad[: len(letter.raw)]
    assert rt.lanes["t"].status()["queued"] == 2
    assert rt.inbox.status()["dead_now"] == 1


def test_no_reason_contains_content_of_the_job(rt: FakeRuntime, taker: Taker) -> None:
    secret = "Ada Lovelace"
    push(
        rt,
        job(order={**ORDER, "status": secret}),
        job(external_id=" " + secret),
        job(order={**ORDER, "lines": [{"name": "Mug", "quantity": secret}]}),
        json.dumps({"v": secret}),
    )
    take(rt, taker)
    assert len(rt.inbox.letters()) == 4
    assert not any(secret in letter.reason for letter in rt.inbox.letters().values())


def test_a_dead_job_is_replayed_after_its_cause_is_fixed(rt: FakeRuntime, taker: Taker) -> None:
    push(rt, json.dumps({"v": 1, "provider": "web", "order": ORDER}))
    take(rt, taker)
    ((key, letter),) = rt.inbox.letters().items()
    rt.take_from("web")
    rt.inbox.replay(letter, key)
    assert rt.inbox.letters() == {}
    take(rt, taker)
    assert rt.ledger.entries(["t"], "web:9")[0].record["state"] == "queued"


def test_jobs_of_a_dead_taker_are_taken_by_another_and_the_late_taker_is_refused(rt: FakeRuntime) -> None:
    push(rt, job(record={"id": "1"}), job(record={"id": "2"}))
    dead = rt.inbox.taker()
    assert len(dead.take(10).jobs) == 2
    assert rt.inbox.free() == 0
    time.sleep(0.6)
    assert rt.inbox.free() == 2
    with rt.inbox.taker() as successor:
        take(rt, successor)
        take(rt, successor)
        assert rt.lanes["t"].status()["queued"] == 2
        with pytest.raises(LeaseLost):
            dead.finish({}, [])
        with pytest.raises(LeaseLost):
            dead.take(1)
    assert rt.inbox.status()["waiting"] == 0


def test_the_sweep_frees_the_jobs_of_a_dead_taker(rt: FakeRuntime) -> None:
    push(rt, job(record={"id": "1"}))
    rt.inbox.taker().take(10)
    time.sleep(0.6)
    tasks.sweep.sweep(rt, rt.nudge)
    assert rt.inbox.status()["waiting"] == 1


def test_a_job_that_kills_its_takers_is_buried_alone(rt: FakeRuntime) -> None:
    push(rt, job(record={"id": "poison"}), job(record={"id": "1"}), job(record={"id": "2"}))
    for _ in range(10):
        taker = rt.inbox.taker()
        taken = taker.take(10)
        if taken.lost < POISON and any(b"poison" in content for content in taken.jobs):
            time.sleep(0.55)
            rt.inbox.free()
        else:
            take(rt, taker)
    assert set(letters(rt)) == {"poison"}
    assert (rt.state("1")["state"], rt.state("2")["state"]) == ("queued", "queued")
    assert rt.redis.hlen(f"{INBOX}:lost") == 0


def test_a_lost_response_of_a_take_is_repeated(rt: FakeRuntime, taker: Taker) -> None:
    push(rt, job(record={"id": "1"}))
    assert taker.take(10) == taker.take(10)


def test_a_taker_that_leaves_is_removed(rt: FakeRuntime) -> None:
    with rt.inbox.taker() as taker:
        take(rt, taker)
    assert rt.inbox.status()["takers"] == 0


def test_large_jobs_are_taken_in_parts(rt: FakeRuntime, taker: Taker) -> None:
    push(rt, *(b"x" * 1_000_000 for _ in range(20)))
    assert len(taker.take(200).jobs) == 9


def test_an_inbox_key_of_the_wrong_type_does_not_end_the_listener(
    rt: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    rt.redis.set(INBOX, "oops")
    rounds = iter([True, True, True, False])
    monkeypatch.setattr("tasks.listen.PAUSE", 0.01)
    tasks.listen.listen(rt, rt.nudge, lambda: next(rounds, False))


def test_a_full_redis_never_costs_a_job_its_taker(rt: FakeRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    push(rt, job(record={"id": 1}))
    accept, full = tasks.accept.accept, [StoreFull("full")] * (POISON + 2)

    def accept_if_room(*args: Any) -> Any:
        if full:
            raise full.pop()
        return accept(*args)

    monkeypatch.setattr("tasks.ingest.accept", accept_if_room)
    monkeypatch.setattr("tasks.listen.PAUSE", 0.01)
    rounds = iter([True] * (1 + POISON + 2 + 1))
    tasks.listen.listen(rt, rt.nudge, lambda: next(rounds, False))
    status = rt.inbox.status()
    assert (full, status["waiting"], status["taken"], status["dead_now"]) == ([], 0, 0, 0)
    assert rt.state("1")["state"] == "queued"


def signed(rt: FakeRuntime, text: str, secret: str = "s3cret", at: float | None = None, producer: str = "hook") -> str:
    moment = int(time.time() if at is None else at)
    signature = hmac.new(secret.encode(), f"{moment}.{text}".encode(), "sha256").hexdigest()
    return json.dumps({"v": 1, "producer": producer, "at": moment, "job": text, "signature": signature})


@pytest.fixture
def strict(redis: Redis) -> FakeRuntime:
    producers = {"hook": Producer(secret=SecretStr("s3cret"), pushes_for=("shop",)), "other": Producer()}
    return FakeRuntime(redis, Single(), producers=producers, inbox_settings=InboxSettings(unsigned="refuse"))


def test_a_signed_job_is_taken(strict: FakeRuntime) -> None:
    push(strict, signed(strict, job(record={"id": "é"})))
    with strict.inbox.taker() as taker:
        take(strict, taker)
    assert strict.state("é")["state"] == "queued"


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (lambda s: job(record={"id": "1"}), "unsigned"),
        (lambda s: signed(s, job(record={"id": "1"}), secret="guess"), "signature"),
        (lambda s: signed(s, job(record={"id": "1"}), producer="nobody"), "signature"),
        (lambda s: signed(s, job(record={"id": "1"}), producer="other"), "signature"),
        (lambda s: signed(s, job(record={"id": "1"}), at=time.time() - 700_000), "signature_age"),
        (lambda s: signed(s, job(record={"id": "1"}), at=time.time() + 700_000), "signature_age"),
        (lambda s: signed(s, '{"v":1,"provider":"other","order":{"a":1}}'), "not_allowed"),
        (lambda s: signed(s, job(record={"id": "1"})).replace('\\"1\\"', '\\"2\\"'), "signature"),
        (lambda s: signed(s, "hello"), "not_json"),
    ],
)
def test_a_job_without_a_valid_signature_is_a_dead_letter(strict: FakeRuntime, made: Any, code: str) -> None:
    push(strict, made(strict))
    with strict.inbox.taker() as taker:
        take(strict, taker)
    assert set(letters(strict)) == {code}
    assert strict.lanes["t"].status()["queued"] == 0


def test_many_hints_of_one_order_are_one_fetch(rt: FakeRuntime, taker: Taker) -> None:
    assert isinstance(rt.shop, Single)
    rt.shop.orders["5"] = Record({"id": "5"})
    push(rt, *(job(external_id="5") for _ in range(10)))
    take(rt, taker)
    assert ("fetch", "shop") in rt.nudged
    fetch(rt)
    assert rt.shop.fetched == ["5"]
    assert rt.state("5")["state"] == "queued"
    assert rt.fetches.count_waiting("shop") == 0


def test_a_hint_of_an_order_that_is_not_visible_yet_is_retried(rt: FakeRuntime) -> None:
    assert isinstance(rt.shop, Single)
    rt.fetches.add("shop", ["5"])
    fetch(rt)
    assert rt.fetches.count_waiting("shop") == 1
    rt.shop.orders["5"] = Record({"id": "5"})
    time.sleep(1.1)
    assert read_work(rt.redis, {"shop": 3600.0})["shop"] == ["poll", "fetch"]
    tasks.sweep.sweep(rt, rt.nudge)
    assert ("fetch", "shop") in rt.nudged
    fetch(rt)
    assert rt.state("5")["state"] == "queued"


def test_a_hint_of_an_order_that_never_appears_becomes_a_dead_letter(
    rt: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.fetch.GIVE_UP", 1)
    rt.fetches.add("shop", ["5"])
    fetch(rt)
    assert letters(rt) == {"not_there": "shop does not have it, asked 1 times"}
    assert rt.fetches.count_waiting("shop") == 0


def test_a_hint_that_arrives_during_its_fetch_is_fetched_again(rt: FakeRuntime) -> None:
    rt.fetches.add("shop", ["5"])
    (claimed,) = rt.fetches.claim("shop", 5)
    assert rt.fetches.claim("shop", 5) == []
    time.sleep(0.01)
    rt.fetches.add("shop", ["5"])
    rt.fetches.settle("shop", claimed, "done")
    assert read_work(rt.redis, {"shop": 3600.0})["shop"] == ["poll", "fetch"]


@pytest.mark.parametrize("error", [RateLimited("slow down", 0.2), Unavailable("down")])
def test_a_limit_or_an_unavailable_provider_defers_all_fetches_and_loses_none(
    rt: FakeRuntime, error: Exception
) -> None:
    assert isinstance(rt.shop, Single)
    rt.fetches.add("shop", ["1", "2", "3"])
    rt.shop.trouble = [error, error]
    fetch(rt)
    assert len(rt.shop.fetched) == 1
    assert rt.fetches.count_waiting("shop") == 3


def test_an_order_that_the_provider_never_returns_does_not_delay_other_hints(
    rt: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(rt.shop, Single)
    monkeypatch.setattr("tasks.fetch.UNAVAILABLE", 0.2)
    rt.shop.orders = {"2": Record({"id": "2"})}
    rt.fetches.add("shop", ["1", "2"])
    for _ in range(2):
        rt.shop.trouble = [Unavailable("500")] if not rt.shop.fetched else []
        fetch(rt)
        time.sleep(0.25)
    assert rt.shop.fetched == ["1", "2"]
    assert rt.state("2")["state"] == "queued"
    assert rt.fetches.count_waiting("shop") == 1


@pytest.mark.parametrize("where", ["fetch_one", "normalize"])
def test_a_hint_that_crashes_the_adapter_becomes_a_dead_letter_and_the_others_continue(
    rt: FakeRuntime, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    assert isinstance(rt.shop, Single)
    rt.shop.orders = {name: Record({"id": name}) for name in ("1", "2", "3")}
    original = getattr(rt.shop, where)

    def fail_for_order_2(argument: Any) -> Any:
        if (argument if isinstance(argument, str) else argument.raw["id"]) == "2":
            raise KeyError("Jansen")
        return original(argument)

    monkeypatch.setattr(rt.shop, where, fail_for_order_2)
    rt.fetches.add("shop", ["1", "2", "3"])
    fetch(rt)
    assert rt.fetches.count_waiting("shop") == 0
    assert [rt.state(name)["state"] for name in ("1", "3")] == ["queued", "queued"]
    letter = rt.cursors.letters("shop")["2"]
    assert letter["reason"] == "bug: the shop adapter failed with KeyError"
    assert json.loads(letter["raw"]) == ({"id": "2"} if where == "normalize" else {})
    monkeypatch.undo()
    rt.fetches.add("shop", ["2"])
    fetch(rt)
    assert rt.state("2")["state"] == "queued"
    assert rt.cursors.letters("shop") == {}


def test_a_refused_key_pauses_the_provider_and_keeps_its_hints(rt: FakeRuntime) -> None:
    assert isinstance(rt.shop, Single)
    rt.fetches.add("shop", ["1", "2"])
    rt.shop.trouble = [AuthFailed("GET: status 401")] * 2
    fetch(rt)
    fetch(rt)
    assert len(rt.shop.fetched) == 1
    assert rt.fetches.count_waiting("shop") == 2
    assert rt.cursors.status("shop")["paused"] == "GET: status 401"


def test_a_record_that_needs_an_unavailable_provider_is_deferred_and_not_lost(
    rt: FakeRuntime, taker: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def normalize(_: Record) -> Any:
        raise Unavailable("GET /settings: status 500")

    with monkeypatch.context() as patch:
        patch.setattr(rt.shop, "normalize", normalize)
        patch.setattr("tasks.listen.LATER", 0.3)
        push(rt, job(record={"id": "1"}), job(external_id="2"))
        take(rt, taker)
    assert letters(rt) == {}
    rt.inbox.free()
    assert rt.redis.llen(INBOX) == 0
    assert rt.inbox.status()["waiting"] == 1
    time.sleep(0.35)
    tasks.sweep.sweep(rt, rt.nudge)
    take(rt, taker)
    assert rt.state("1")["state"] == "queued"


def test_new_orders_are_counted_by_the_source_that_reported_them_first(rt: FakeRuntime, taker: Taker) -> None:
    push(rt, job(record={"id": "1"}))
    take(rt, taker)
    rt.shop.pages = [[{"id": "1"}, {"id": "2"}]]
    tasks.poll.poll(rt, "shop", rt.nudge)
    status = rt.lanes["t"].status()
    assert (status["new_by_push"], status["new_by_poll"]) == (1, 1)


def test_the_job_that_was_sent_later_wins_in_either_order_of_arrival(redis: Redis) -> None:
    rt = FakeRuntime(redis, Single(), routes=(Route(source="web", targets=("t",)),), producers={"web": Producer()})
    first = {"v": 1, "provider": "web", "sent_at": "2026-01-01T10:00:00.1Z", "order": {**ORDER, "note": "first"}}
    later = {"v": 1, "provider": "web", "sent_at": "2026-01-01T11:00:00.2+01:00", "order": {**ORDER, "note": "later"}}
    push(rt, json.dumps(later))
    push(rt, json.dumps(first))
    with rt.inbox.taker() as taker:
        take(rt, taker)
    with rt.lanes["t"].drain() as drain:
        (claim,) = drain.claim(1)
    assert "later" in claim.payload
    assert rt.lanes["t"].status()["accepted_stale"] == 1


def test_an_order_that_the_provider_refuses_becomes_a_dead_letter_and_delays_no_other(
    rt: FakeRuntime,
) -> None:
    assert isinstance(rt.shop, Single)
    rt.fetches.add("shop", ["1", "2"])
    rt.shop.orders["2"] = Record({"id": "2"})
    rt.shop.trouble = [Rejected("GET /orders/1: status 400")]
    fetch(rt)
    assert rt.cursors.letters("shop")["1"]["reason"] == "GET /orders/1: status 400"
    assert rt.state("2")["state"] == "queued"
    assert rt.fetches.count_waiting("shop") == 0
