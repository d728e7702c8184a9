"""Alarms are raised and cleared once, whichever process watches, and sent to a webhook."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from support.http_server import Request, reply
from support.orders import order
from support.pipeline import log_lines, logged
from support.settings_texts import NO_REDIS, SHOP_TO_DROPDAY, Configured, table
from worker.runtime import Runtime, read_settings
from worker.store.health.alarms import AlarmState, Change
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome
from worker.watch import notify
from worker.watch.snapshot import take_snapshot
from worker.watch.watch import Watch

if TYPE_CHECKING:
    from redis import Redis

    from support.http_calls import Serve
    from support.pipeline import MakePipeline

SECRET = "/services/T0/B0/hush-hush"


@pytest.fixture
def rt(configured: Configured) -> Runtime:
    return configured.open(table("alarms", every="1ms", grace="1ms") + SHOP_TO_DROPDAY)


def with_hook(configured: Configured, environment: pytest.MonkeyPatch, url: str) -> Runtime:
    """Return a runtime that reports its alarms to this address."""
    environment.setenv("HOOK_URL", url)
    return configured.open(
        table("alarms", every="1ms", grace="1ms", to={"slack": {"url": "env:HOOK_URL"}}) + SHOP_TO_DROPDAY
    )


def hold(rt: Runtime, number: int = 1) -> None:
    """Hold an order, which raises an alarm."""
    rt.ledger.accept("dropday", [Delivery(order(str(number)), str(number))], "poll shop")
    with rt.lanes["dropday"].drain() as drain:
        drain.settle([(claim, Outcome("hold", "held", "no mapping")) for claim in drain.claim(1)])


def look(*watches: Watch) -> None:
    time.sleep(0.005)
    for watch in watches:
        watch.look()


def look_often(watch: Watch) -> None:
    for _ in range(20):
        look(watch)


def test_an_alarm_is_raised_once_and_cleared_once_by_any_number_of_watches(rt: Runtime) -> None:
    watches = [Watch(rt) for _ in range(3)]
    with log_lines() as lines:
        look(*watches)
        assert logged(lines, "alarm.raised") == []
        hold(rt)
        threads = [threading.Thread(target=look_often, args=(watch,)) for watch in watches]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (raised,) = logged(lines, "alarm.raised")
        assert logged(lines, "alarm.cleared") == []
        rt.lanes["dropday"].release(["shop:1"], "send")
        for _ in range(5):
            look(*watches)
        (cleared,) = logged(lines, "alarm.cleared")
    assert (raised["name"], raised["subject"]) == ("orders_held", "dropday") == (cleared["name"], cleared["subject"])
    assert raised["remedy"] == "intake release dropday --dry-run"
    assert "left_out" not in raised


def test_one_of_several_simultaneous_raises_sends_the_message(redis: Redis) -> None:
    first, second = AlarmState(redis), AlarmState(redis)
    assert first.change("raise", {"orders_held dropday": {"since": 1}}) == ["orders_held dropday"]
    assert second.change("raise", {"orders_held dropday": {"since": 2}}) == []
    changes = [Change("slack", "orders_held dropday", "", after, after, ["slack"]) for after in ("first", "second")]
    assert first.send(changes[:1]) == changes[:1]
    assert second.send(changes[1:]) == []
    assert redis.lrange("intake:alarms:outbox:slack", 0, -1) == ["first"]


def test_an_alarm_that_recurs_is_reported_again(rt: Runtime) -> None:
    watch = Watch(rt)
    with log_lines() as lines:
        for number in (1, 2):
            hold(rt, number)
            look(watch)
            rt.lanes["dropday"].release(rt.lanes["dropday"].held_keys(), "send")
            look(watch)
        assert len(logged(lines, "alarm.raised")) == len(logged(lines, "alarm.cleared")) == 2


def test_a_new_process_raises_no_alarm_during_the_grace_period(rt: Runtime) -> None:
    hold(rt)
    with_long_grace = rt.settings.model_copy(update={"alarms": rt.settings.alarms.model_copy(update={"grace": 60.0})})
    rt.settings = with_long_grace
    look(Watch(rt))
    assert AlarmState(rt.redis).read_raised() == {}


def sent_messages(requests: list[Request]) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in requests]


def until(done: Any) -> None:
    end = time.monotonic() + 10
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_webhook_receives_a_text_for_slack_and_separate_fields(
    serve: Serve, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(lambda _: reply(200, b"ok"))
    rt = with_hook(configured, monkeypatch, server.url + SECRET + "?sig=1")
    with log_lines() as lines:
        with Watch(rt):
            hold(rt)
            until(lambda: len(server.requests) == 1)
            rt.lanes["dropday"].release(["shop:1"], "send")
            until(lambda: len(server.requests) == 2)
        raised, cleared = sent_messages(server.requests)
    assert server.requests[0].target == SECRET + "?sig=1"
    assert raised["text"] == "Intake: dropday: 1 held order. intake release dropday --dry-run"
    assert (raised["event"], raised["name"], raised["subject"]) == ("raised", "orders_held", "dropday")
    assert cleared["event"] == "cleared"
    assert cleared["text"] == "Intake: resolved: orders held, dropday"
    assert "hush" not in lines.getvalue()


@pytest.mark.parametrize(
    "refusal",
    [
        reply(422),
        reply(404),
        reply(410, b"channel_is_archived", content_type="text/html"),
        reply(400, b"invalid_payload", content_type="text/html"),
        reply(302, location="/login"),
    ],
    ids=["status 422", "status 404", "status 410", "status 400", "status 302"],
)
def test_a_failing_hook_is_retried_and_its_address_is_never_logged(
    serve: Serve,
    configured: Configured,
    monkeypatch: pytest.MonkeyPatch,
    refusal: bytes,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.setattr(notify, "RETRY_AFTER", 0.02)
    answers = iter([reply(500), reply(503, retry_after="0"), refusal, reply(200), reply(200)])
    server = serve(lambda _: next(answers))
    rt = with_hook(configured, monkeypatch, server.url + SECRET)
    (slack,) = rt.settings.alarms.destinations()
    for number in range(3):
        message = json.dumps({"n": number, "at": datetime.now(UTC).isoformat()})
        AlarmState(rt.redis).send([Change("slack", f"n {number}", "", "sent", message, ["slack"])])
    with log_lines() as lines:

        def sends_everything() -> bool:
            notify.send_messages(rt.redis, rt.settings, slack)
            return not rt.redis.llen("intake:alarms:outbox:slack")

        until(sends_everything)
        assert [line["attempt"] for line in logged(lines, "alarm.waiting")] == [1, 2]
        (refused,) = logged(lines, "alarm.refused")
        assert refused["reason"].startswith(f"POST …: {request.node.callspec.id}")
        assert "hush" not in lines.getvalue()
    # The first message is sent until it is refused permanently; the others are not lost with it.
    assert [message["n"] for message in sent_messages(server.requests)] == [0, 0, 0, 1, 2]


def test_a_slow_hook_does_not_delay_the_watch(
    serve: Serve, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def slow(_: Request) -> bytes:
        released.wait(10)
        return reply(200)

    server = serve(slow)
    with with_hook(configured, monkeypatch, server.url + SECRET) as rt:
        hold(rt)
        watch = Watch(rt)
        look(watch)
        until(lambda: server.requests)
        began = time.monotonic()
        for _ in range(10):
            look(watch)
        assert time.monotonic() - began < 8
        assert len(server.requests) == 1, "one sender at a time"
        released.set()
        with watch:
            pass


def test_alarms_are_raised_while_redis_is_full(rt: Runtime) -> None:
    used = int(rt.redis.info("memory")["used_memory"])
    hold(rt)
    rt.redis.config_set("maxmemory", used // 2)
    try:
        with log_lines() as lines:
            look(Watch(rt))
            raised = {line["name"] for line in logged(lines, "alarm.raised")}
    finally:
        rt.redis.config_set("maxmemory", 0)
    assert raised == {"redis_full", "orders_held"}


def test_orders_found_only_by_polls_are_counted_until_a_hint_announces_one(rt: Runtime) -> None:
    def missed() -> int:
        return take_snapshot(rt).providers["shop"].missed

    rt.ledger.count_arrivals("shop", "poll shop", 500)
    assert missed() == 0, "only polls read the past"
    rt.redis.hset("intake:cursor:shop", "walked", "1")
    rt.ledger.count_arrivals("shop", "poll shop", 3)
    rt.ledger.count_arrivals("shop", "poll shop", 4)
    assert missed() == 7
    rt.ledger.count_arrivals("shop", "hint shop", 1)
    assert missed() == 0


def test_an_order_from_a_hint_is_unseen_until_the_cursor_changes(rt: Runtime) -> None:
    def poll(cursor: str) -> None:
        rt.redis.hdel("intake:cursor:shop", "finished")
        with rt.cursors.poll("shop", 0) as run:
            assert not isinstance(run, str)
            run.advance(cursor, more=False, records=0)

    def unseen() -> float | None:
        return take_snapshot(rt).providers["shop"].unseen

    poll("1")
    assert unseen() is None
    rt.ledger.count_arrivals("shop", "hint shop", 1)
    first = unseen()
    time.sleep(0.01)
    rt.ledger.count_arrivals("shop", "push shop", 1)
    poll("1")  # succeeds and finds nothing new
    assert first is not None
    assert unseen() == first
    time.sleep(0.01)
    poll("2")
    assert unseen() is None


def test_the_oldest_order_is_the_first_accepted_however_often_it_was_retried(rt: Runtime) -> None:
    rt.ledger.accept("dropday", [Delivery(order("1"), "1")], "poll shop")
    time.sleep(0.2)
    rt.ledger.accept("dropday", [Delivery(order("2"), "2")], "poll shop")
    with rt.lanes["dropday"].drain() as drain:
        (claim,) = drain.claim(1)
        drain.settle([(claim, Outcome("retry", "unavailable", "status 500", delay=60))])
    rt.lanes["dropday"].sweep()
    lane = take_snapshot(rt).lanes["dropday"]
    assert (lane.queued, lane.due) == (2, 1)
    assert lane.oldest >= 0.2
    assert lane.failures == 1


def test_a_frozen_provider_is_reported_once_within_two_poll_intervals_and_again_when_it_recovers(
    make_pipeline: MakePipeline,
) -> None:
    every = 2.0
    with log_lines() as lines:
        pipeline = make_pipeline(3, limits=["retailcrm=off"]).open()
        account = pipeline.rt.settings.providers["shop"]
        pipeline.rt.settings.providers["shop"] = account.model_copy(update={"poll_every": every})
        quick = pipeline.rt.settings.alarms.model_copy(update={"every": 0.05, "grace": 0.001})
        pipeline.rt.settings = pipeline.rt.settings.model_copy(update={"alarms": quick})

        def names(event: str) -> list[str]:
            return [line["name"] for line in logged(lines, event)]

        with Watch(pipeline.rt):
            pipeline.poll()
            pipeline.box.fault("retailcrm:history:html")
            frozen = time.monotonic()
            while "provider_late" not in names("alarm.raised"):
                assert time.monotonic() - frozen < 2 * every
                time.sleep(0.3)
                pipeline.poll()
            time.sleep(every)
            assert names("alarm.raised") == ["provider_late"]
            assert "not JSON" in logged(lines, "alarm.raised")[0]["what"]
            pipeline.box.clear_faults()
            pipeline.poll()
            until(lambda: names("alarm.cleared") == ["provider_late"])


def test_a_watch_that_begins_while_redis_is_away_goes_on(configured: Configured) -> None:
    configured.write(SHOP_TO_DROPDAY + table("alarms", every="20ms", grace="1ms"), redis_url=NO_REDIS)
    with Runtime(read_settings(), patience="short") as rt, capture_logs() as lines, Watch(rt):
        until = time.monotonic() + 20
        while sum(line["event"] == "watch.blinded" for line in lines) < 2:
            assert time.monotonic() < until
            time.sleep(0.02)
