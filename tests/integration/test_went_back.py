"""A server that keeps running and goes back to an earlier state, as after a backup that is loaded into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

import tasks.deliver
from integration.test_clock_steps import Clock
from support.fake_runtime import FakeRuntime, Shop
from support.forgetting import Rewind
from support.orders import order
from worker.store.orders.delivery import Delivery
from worker.store.redis import catalog, keys
from worker.store.redis.connection import connect
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from redis import Redis

#: An order that was placed after the ledger began: it is asked for in a new era only.
LATER = "2100-01-02T03:04:05Z"


class Running(Clock):
    """A ledger in use: `rt` is a process that reads the time each second."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, redis: Redis) -> None:
        super().__init__(monkeypatch, redis)
        self.rt, self._redis_copy = FakeRuntime(redis, Shop([]), lease=5.0), Rewind(redis)
        redis.hset(keys.cursor("shop"), "walked", 1)
        redis.set(keys.EPOCH, 1)
        self.work(2)

    def work(self, seconds: int) -> None:
        for _ in range(seconds):
            self.sleep(1.0)
            self.rt.cursors.now()

    def save(self) -> None:
        self._redis_copy.save()

    def restore(self) -> None:
        """Load what was saved; the clock of the server goes on."""
        self._redis_copy.restore()
        self.step(0.0)

    def accept_and_deliver(self) -> None:
        delivery = Delivery(order("1", ordered_at=LATER, version=1), "1")
        self.rt.ledger.accept("t", [delivery], "poll shop", ask="new", dedupes=False)
        tasks.deliver.deliver(self.rt, "t", self.rt.nudge)

    @property
    def era(self) -> str | None:
        """Since when the present era lasts, if it is not the first one."""
        self.rt.lanes["t"].sweep()
        return cast("str | None", self.rt.redis.hget(keys.ERA, "since"))

    @property
    def created(self) -> int:
        return len(self.rt.warehouse.created)


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch, redis: Redis) -> Running:
    return Running(monkeypatch, redis)


@pytest.mark.parametrize("since_last_script", [0.0, 0.5, 60.0])
@pytest.mark.parametrize("age", [7, 60, 3600])
def test_a_backup_that_is_loaded_into_the_running_server_begins_an_era(
    running: Running, age: int, since_last_script: float
) -> None:
    running.save()
    running.work(5)
    running.sleep(max(0, age - 10))
    running.work(3)
    running.accept_and_deliver()
    assert (running.created, running.rt.warehouse.finds, running.era) == (1, 0, None)
    running.work(2)
    running.restore()
    running.sleep(since_last_script)
    running.accept_and_deliver()
    assert (running.created, running.rt.warehouse.finds) == (1, 1), "the order is asked for before it is created"
    since = running.era
    assert since
    running.work(10)
    assert running.era == since, "one era for one loss"


def test_a_process_that_knew_nothing_hides_nothing_from_those_that_know(running: Running) -> None:
    running.save()
    running.work(20)
    running.restore()
    running.sleep(0.5)
    pool = running.rt.redis.connection_pool.connection_kwargs
    with connect(f"redis://{pool['host']}:{pool['port']}/{pool.get('db', 0)}") as young:
        for _ in range(3):
            Scripts(young)(catalog.NOW)
            running.sleep(1.0)
        assert running.rt.redis.hget("intake:clock", "forgot") is None
        running.work(1)
        assert running.rt.redis.hget("intake:clock", "forgot") == "1"
    assert running.era


@pytest.mark.parametrize("seconds", [4.0, 20.0, 3600.0, 30 * 86_400.0])
def test_a_ledger_that_nobody_used_begins_no_era(running: Running, seconds: float) -> None:
    for _ in range(2):
        running.sleep(seconds)
        running.work(3)
        assert running.era is None


def test_a_clock_that_steps_begins_no_era(running: Running) -> None:
    for seconds in (3600.0, -3600.0, 1.1, -1.1, -20.0, 20.0, 86_400.0):
        running.step(seconds)
        running.work(2)
        running.sleep(30.0)
        running.step(seconds)
        running.work(3)
        assert running.era is None, seconds


def test_a_script_that_the_server_ran_late_begins_no_era(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server stand still for a minute after a script was sent to it."""
    scripts, load = Scripts(running.rt.redis), Scripts._load

    def late(self: Scripts, script: catalog.Script) -> object:
        running.sleep(60.0)
        return load(self, script)

    with monkeypatch.context() as frozen:
        frozen.setattr(Scripts, "_load", late)
        scripts(catalog.NOW)
    running.work(3)
    assert running.era is None
