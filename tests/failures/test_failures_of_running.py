"""Failures of the running processes: rows 8, 14, 16 and 23 to 25 of the failure list in the README."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

import tasks.deliver
import tasks.fetch
import tasks.listen
import tasks.poll
import tasks.sweep
from support.fake_runtime import FakeRuntime, Shop
from support.gates import pass_gate
from support.stack import Stack
from worker.store.health.nudges import Nudges
from worker.store.inbox import POISON, Inbox
from worker.store.limits.limit import Limit
from worker.store.limits.limiter import Scope
from worker.store.orders.lanes import Lane
from worker.store.redis.connection import connect
from worker.systems.provider import Record

if TYPE_CHECKING:
    from pathlib import Path

    from redis import Redis

pytestmark = pytest.mark.paced

TAKER = """
import sys, time
from worker.store.redis.connection import connect
from worker.store.inbox import Inbox
with Inbox(connect(sys.argv[1], text="raw"), lease=1.0, heartbeat=0.2).taker() as taker:
    print(len(taker.take(10).jobs), flush=True)
    time.sleep(60)
"""


def poll(rt: FakeRuntime) -> None:
    tasks.poll.poll(rt, "shop", rt.nudge)


def sweep(rt: FakeRuntime) -> None:
    tasks.sweep.sweep(rt, rt.nudge)


def push(rt: FakeRuntime, **job: object) -> None:
    rt.inbox.push([json.dumps({"v": 1, "provider": "shop", **job})])


def test_row_08_jobs_of_a_killed_worker_are_taken_by_another(redis: Redis, redis_url: str) -> None:
    rt = FakeRuntime(redis, Shop([]), lease=1.0)
    push(rt, record={"id": "7"})
    with subprocess.Popen([sys.executable, "-c", TAKER, redis_url], stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"1\n"
        sweep(rt)
        assert rt.inbox.status()["taken"] == 1
        worker.kill()
    killed = time.monotonic()
    with rt.inbox.taker() as successor:
        while not tasks.listen.take(rt, successor, rt.nudge):
            assert time.monotonic() - killed < 5
            sweep(rt)
            time.sleep(0.05)
    assert rt.state("7")["state"] == "queued"


def test_row_14_two_beats_at_once_poll_once_and_send_one_nudge(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([[{"id": 1}]]))
    rt.poll_every(60.0)
    nudges = Nudges(redis, 10.0)
    assert [nudges.offer("poll", "shop") for _ in range(2)] == [True, False]
    beats = [threading.Thread(target=poll, args=(rt,)) for _ in range(2)]
    for beat in beats:
        beat.start()
    for beat in beats:
        beat.join()
    poll(rt)
    assert rt.shop.asked == ["0"]


def test_row_16_a_job_that_kills_its_takers_is_counted_alone_and_buried(redis: Redis) -> None:
    rt = FakeRuntime(redis, Shop([]), lease=0.2)
    push(rt, record={"id": "poison"})
    push(rt, record={"id": "innocent"})
    deaths = 0
    for _ in range(10):
        taker = rt.inbox.taker()  # a new name each time
        taken = taker.take(10)
        if taken.lost < POISON and any(b"poison" in job for job in taken.jobs):
            deaths += 1
            time.sleep(0.25)
            rt.inbox.free()
        else:
            tasks.listen.take(rt, taker, rt.nudge)
    assert deaths == POISON + 1, "the first taker held both jobs, which counts against neither"
    assert [letter.code for letter in rt.inbox.letters().values()] == ["poison"]
    assert rt.state("innocent")["state"] == "queued"


class Single(Shop):
    """A shop that can also fetch a single order."""

    def fetch_one(self, external_id: str) -> Record | None:
        return Record({"id": external_id})


def test_row_23_orders_of_polls_and_of_webhooks_are_counted_separately(redis: Redis) -> None:
    rt = FakeRuntime(redis, Single([[{"id": "1"}, {"id": "2"}, {"id": "3"}]]))
    push(rt, external_id="1")
    with rt.inbox.taker() as taker:
        tasks.listen.take(rt, taker, rt.nudge)
    tasks.fetch.fetch(rt, "shop", rt.nudge)
    poll(rt)
    status = rt.lanes["t"].status()
    assert (status["new_by_hint"], status["new_by_poll"]) == (1, 2)


@pytest.mark.timeout(150)
def test_row_24_an_outage_of_redis_of_twenty_seconds_ends_no_process(tmp_path: Path) -> None:
    with Stack(tmp_path, 40, dedupe="off") as stack:
        stack.start()
        stack.wait(lambda: stack.created() > 10, 60, "the first orders")
        (valkey,) = stack.processes("valkey")
        valkey.suspend()
        try:
            stack.add(20)
            time.sleep(20)
        finally:
            valkey.resume()
        stack.wait(lambda: stack.created() >= 60, 60, "all orders")
        stack.wait(stack.settled, 30, "settled")
        assert stack.compare().clean, str(stack.compare())


def test_row_25_waiting_for_work_does_not_delay_the_limiter(redis: Redis, redis_url: str) -> None:
    lane = Lane(redis, "t", Scope(redis, "t", ()), lease=5.0, heartbeat=1.0, max_tries=3, concurrency=2)
    scope = Scope(redis, "s", (Limit(100_000, 1.0),))
    raw = connect(redis_url, text="raw")
    inbox = Inbox(raw, lease=5.0, heartbeat=1.0)
    waiting = [
        threading.Thread(target=lane.wait, args=(time.monotonic() + 4,)),
        threading.Thread(target=inbox.wait, args=(4,)),
    ]
    for thread in waiting:
        thread.start()
    time.sleep(0.2)
    began = time.monotonic()
    for _ in range(100):
        pass_gate(scope)
    took = time.monotonic() - began
    assert [thread.is_alive() for thread in waiting] == [True, True]
    for thread in waiting:
        thread.join()
    raw.close()
    assert took < 3.0
