"""What runs every second, and what shows the state, takes no more round trips to Redis with more accounts."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from redis.connection import AbstractConnection

import tasks.sweep
import worker.store.redis.gathered
from support.command_line import intake
from support.orders import order
from support.settings_texts import BY_PROVIDER, dropday, route, table
from worker.cli.setup.first_poll import examine_first_polls
from worker.store.feeds.left_out import LeftOutOrder
from worker.store.orders.delivery import Delivery
from worker.systems.dropday.provider import Dropday
from worker.systems.provider import Page
from worker.watch.metrics import RedisCollector
from worker.watch.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from redis import Redis

    from support.settings_texts import Configured
    from worker.runtime import Runtime

FEW, MANY = 3, 9


def settings(count: int) -> str:
    """Return the settings of as many providers and targets, each with a route to the first two targets and its own."""
    text = table("alarms", every="1ms", grace="1ms")
    for number in range(count):
        text += dropday(f"providers.p{number}", f"http://127.0.0.1:9/p{number}", limit="1000/s")
        text += dropday(f"targets.t{number}", f"http://127.0.0.1:9/t{number}", limit="1000/s")
        text += route(f"p{number}", *dict.fromkeys(("t0", "t1", f"t{number}")), reference=BY_PROVIDER)
    return text


def fill(rt: Runtime) -> None:
    """Give every account work, a dead record and an order that is left out."""
    rt.installation.confirm()
    rt.ledger.assume_no_predecessor()
    for number, name in enumerate(rt.settings.providers):
        rt.ledger.accept(f"t{number}", [Delivery(order("5", provider=name), f"{name}:5")], f"poll {name}")
        rt.cursors.bury(name, "9", {"id": 9}, "items", "is missing")
        rt.fetches.add(name, ["8"])
        rt.left_outs.note(name, [LeftOutOrder("7", f"t{number}", "test", "#7", "new")])
    rt.cursors.pause("p1", "stocktaking", 3600)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list whose length is the number of commands and pipelines that were sent to Redis."""
    # The threads of `intake check` start one after the other, on a busy machine slowly.
    monkeypatch.setattr(worker.store.redis.gathered, "GATHER", 0.3)
    sent: list[int] = []
    original: Callable[..., None] = AbstractConnection.send_packed_command

    def send(self: AbstractConnection, command: Any, check_health: Any = True) -> None:  # noqa: FBT002  # redis-py's own
        sent.append(1)
        original(self, command, check_health)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", send)
    return sent


def counts(rt: Runtime, sent: list[int], out: Path) -> dict[str, int]:
    """Return the round trips of everything that only reads, and of what runs all the time."""
    nudged: list[tuple[str, str, int]] = []
    watch = Watch(rt)
    time.sleep(0.002)
    tasks.sweep.sweep(rt, lambda *nudge: nudged.append(nudge))
    for task, name, _ in nudged:
        rt.nudges.offer(task, name)
    runs: dict[str, Callable[[], object]] = {
        "sweep": lambda: tasks.sweep.sweep(rt, lambda *_: None),
        "alarms": watch.look,
        "metrics": lambda: list(RedisCollector(rt).collect()),
        "confirm": rt.installation.confirm,
    }
    commands = (
        *("status", "status --json", "metrics --once", "health --ready", "show p1:5", "show 5", "show nothing"),
        *("show 7", "show p1:9 --json", "check", "dead list", "doubt list", "inbox list", "cursor show p1"),
        f"report --out {out}",
    )
    runs |= {command: partial(intake, *command.split()) for command in commands}
    found = {}
    for name, run in runs.items():
        sent.clear()
        run()
        found[name] = len(sent)
    return found


def test_round_trips_do_not_grow_with_the_accounts(
    configured: Configured, redis: Redis, sent: list[int], tmp_path: Path
) -> None:
    found = []
    for count in (FEW, MANY):
        redis.flushall()
        rt = configured.open(settings(count))
        fill(rt)
        found.append(counts(rt, sent, tmp_path / "report.html"))
    few, many = found
    # What `check` sends together depends on when its threads begin.
    assert {name: (few[name], many[name]) for name in few if many[name] > few[name] and name != "check"} == {}
    assert max(many.values()) < 85  # 61 in `check`, and 102 to 122 if each account asks for itself


def test_first_polls_ask_for_the_time_once(
    configured: Configured, redis: Redis, sent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Dropday, "fetch", lambda _, cursor: Page([], cursor, more=False))
    rt = configured.open(settings(MANY))
    names = list(rt.settings.providers)
    sent.clear()
    findings = list(examine_first_polls(rt, names))
    assert [finding.state for finding in findings] == ["ok"] * MANY
    assert len(sent) == 1
