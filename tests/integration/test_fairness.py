"""Accounts that do not respond leave the processes to those that do, whatever is asked of them."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

import tasks.backfill
import tasks.deliver
import tasks.doubt
import tasks.fetch
import tasks.poll
from support.http_server import reply
from support.orders import order
from support.settings_texts import dropday, route
from worker.app.background import background_tasks
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.http_calls import Serve
    from support.http_server import Request, Server
    from support.settings_texts import Configured
    from worker.runtime import Runtime

SICK = [f"sick{number}" for number in range(5)]


class World:
    """A system that answers the account `good` only, and the runtime of one process."""

    def __init__(self, configured: Configured, serve: Serve) -> None:
        self.well = threading.Event()
        #: Calls that ended before all accounts were well again: somebody waited for them.
        self.ended: list[str] = []
        self.server: Server = serve(self._answer)
        settings = ""
        for name in (*SICK, "good"):
            url = f"{self.server.url}/{name}"
            settings += dropday(f"providers.{name}", url, limit="none") + route(name, name)
            settings += dropday(f"targets.{name}", f"{url}/to", limit="none", placeholder="-")
        self.rt: Runtime = configured.open(settings)
        self.rt.ledger.assume_no_predecessor()

    def _answer(self, request: Request) -> bytes:
        if "/sick" in request.target and not self.well.wait(5):
            self.ended.append(request.target)
        return reply(500)

    def asked(self) -> set[str]:
        """Return the accounts of which the system was asked anything."""
        return {request.target.split("/")[1] for request in list(self.server.requests)}

    def accept(self, name: str) -> str:
        self.rt.ledger.accept(name, [Delivery(order("1", provider=name), "R1")], "poll")
        return f"{name}:1"


@pytest.fixture
def world(configured: Configured, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World(configured, serve)
    monkeypatch.setattr("worker.runtime.runtime", lambda: world.rt)
    monkeypatch.setattr("worker.app.background.PATIENCE", 0.02)
    monkeypatch.setattr("worker.app.background.stop_here", lambda: None)
    monkeypatch.setattr("tasks.doubt.ASK_EVERY", 0)
    for module in (tasks.poll, tasks.fetch, tasks.backfill, tasks.deliver):
        monkeypatch.setattr(module, "nudge", lambda *_: None)
    background_tasks.cache_clear()
    yield world
    world.well.set()
    background_tasks().finish(20)
    background_tasks.cache_clear()


def poll(_: World, name: str) -> None:
    tasks.poll.poll_provider(name)


def fetch(world: World, name: str) -> None:
    world.rt.fetches.add(name, ["1"])
    tasks.fetch.fetch_orders(name)


def backfill(world: World, name: str) -> None:
    now = datetime.now(UTC)
    world.rt.backfills.begin(name, now - timedelta(days=1), now)
    tasks.backfill.backfill_provider(name)


def create(world: World, name: str) -> None:
    world.accept(name)
    tasks.deliver.deliver_lane(name)


def find(world: World, name: str) -> None:
    world.rt.redis.hset(f"intake:order:{name}:{world.accept(name)}", "uncertain", 1)
    tasks.deliver.deliver_lane(name)


def ask(world: World, name: str) -> None:
    world.accept(name)
    with world.rt.lanes[name].drain() as drain:
        drain.settle([(claim, Outcome("doubt", "uncertain", "?")) for claim in drain.claim(1)])
        drain.leave()
    tasks.doubt.ask_in_doubt(name)


def test_a_drain_that_waits_for_its_limit_leaves_its_process_to_an_account_that_waits(
    configured: Configured, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = serve(lambda _: reply(422)).url  # each order takes one call
    slow = dropday("providers.shop", url) + dropday("targets.slow", f"{url}/to", limit="10/s", placeholder="-")
    with configured.open(slow + route("shop", "slow")) as rt:
        monkeypatch.setattr("worker.runtime.runtime", lambda: rt)
        monkeypatch.setattr("tasks.late.runtime", lambda: rt)
        monkeypatch.setattr("tasks.deliver.nudge", lambda *_: None)
        monkeypatch.setattr("worker.app.background.stop_here", lambda: None)
        background_tasks.cache_clear()
        rt.ledger.assume_no_predecessor()
        orders = [Delivery(order(str(number), provider="shop"), f"R{number}") for number in range(20)]
        rt.ledger.accept("slow", orders, "poll")
        assert rt.nudges.offer("poll", "shop")
        result = tasks.deliver.deliver_lane("slow")
        assert repr(result) == "slow: continues in the background"
        background_tasks().finish(20)
        background_tasks.cache_clear()


@pytest.mark.parametrize("work", [poll, fetch, backfill, create, find, ask])
def test_accounts_that_hang_do_not_hold_the_process(world: World, work: Callable[[World, str], None]) -> None:
    for name in (*SICK, "good"):
        work(world, name)
    assert world.ended == [], "the process waited for a call"
    until = time.monotonic() + 20
    while world.asked() != {*SICK, "good"} and time.monotonic() < until:
        time.sleep(0.01)
    assert world.asked() == {*SICK, "good"}
