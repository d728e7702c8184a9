"""Redis forgets its last writes beside the whole stack, whose target accepts duplicates and says so."""

from __future__ import annotations

import random
import signal
from typing import TYPE_CHECKING

import pytest

from chaos.forgetful import WAYS, Backup, Way
from soak.depot import install
from support.stack import Stack
from worker.store.redis import keys

if TYPE_CHECKING:
    from pathlib import Path

FIRST, ORDERS = 20, 400
SETTINGS = """
[redis]
url = "env:STACK_REDIS"
[clocks]
heartbeat = "1s"
lease = "3s"
hint = "3s"
request = "5s"
"""


def _age(stack: Stack) -> None:
    """Deliver the first orders, then let the ledger be months old, so that it asks for no new order."""
    stack.start()
    stack.wait(lambda: stack.created() >= FIRST, 90, "the first orders")
    stack.wait(lambda: "walked" in stack.runtime.cursors.status("shop"), 30, "the first walk")
    stack.runtime.redis.decrby(keys.EPOCH, 90 * 86_400_000)


def _stop(stack: Stack) -> None:
    assert stack.up is not None
    stack.up.send_signal(signal.SIGINT)
    stack.up.wait(60)


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("way", "stopped"), [*((way, False) for way in WAYS), *((way, True) for way in WAYS if issubclass(way, Backup))]
)
def test_workers_lose_and_duplicate_nothing_when_redis_forgets(
    way: type[Way], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, stopped: bool
) -> None:
    chance = random.Random(way.__name__)
    (tmp_path / "stack").mkdir()
    python = install(tmp_path / "stack")
    monkeypatch.syspath_prepend(tmp_path / "stack")
    with way(tmp_path / "redis", chance) as server:
        monkeypatch.setenv("STACK_REDIS", server.url)
        with Stack(
            tmp_path / "stack", FIRST, limit="40/s", dedupe="off", kind="depot", extra=SETTINGS, python=python
        ) as stack:
            _age(stack)
            stack.add(ORDERS - FIRST - 60)
            stack.wait(lambda: stack.created() > FIRST + 20, 60, "the next orders")
            server.mark()
            known = stack.created() + chance.randint(*server.forgotten)
            stack.wait(lambda: stack.created() >= known, 60, "orders that are forgotten")
            if stopped:
                _stop(stack)
            server.forget()
            if stopped:
                stack.start()
            stack.add(60)
            stack.wait(lambda: stack.created() >= ORDERS, 120, "all orders")
            stack.wait(stack.settled, 60, "settled")
            comparison, faults = stack.compare(), stack.history()
            assert stack.stop() == []
    print(comparison)
    assert comparison.clean, str(comparison)
    assert comparison.orders == ORDERS
    assert faults == ""
