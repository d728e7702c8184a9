"""A Redis behind Sentinels: its master is killed during the work and a replica replaces it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chaos.sentinels import Sentinels
from support.stack import Stack
from worker.cli.setup.redis_checks import examine_server
from worker.settings.alarms import AlarmSettings
from worker.store.redis.server import inspect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ORDERS = 240
WATCHED = """
[redis]
url = "env:STACK_SENTINELS"
[clocks]
heartbeat = "1s"
lease = "3s"
hint = "3s"
"""


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinels]:
    with Sentinels(tmp_path_factory.mktemp("redis")) as sentinels:
        yield sentinels


@pytest.mark.soak
@pytest.mark.timeout(240)
def test_a_killed_master_loses_and_duplicates_nothing(
    tmp_path: Path, redis: Sentinels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kill the master of a stack whose target accepts duplicates."""
    monkeypatch.setenv("STACK_SENTINELS", redis.url)
    with Stack(tmp_path, ORDERS - 60, limit="40/s", dedupe="off", extra=WATCHED) as stack:
        states = {finding.what: finding.state for finding in examine_server(inspect(redis.url), AlarmSettings())}
        assert states == dict.fromkeys(["redis", "redis eviction", "redis persistence", "redis replicas"], "ok")
        stack.start()
        stack.wait(lambda: stack.created() > 50, 90, "the first orders")
        killed = redis.kill_master()
        stack.add(60)
        stack.wait(lambda: redis.master() not in {0, killed}, 60, "another master")
        stack.wait(lambda: stack.created() >= ORDERS, 120, "all orders")
        stack.wait(stack.settled, 60, "settled")
        comparison = stack.compare()
        left = stack.stop()
    print(comparison)
    assert comparison.clean, str(comparison)
    assert comparison.orders == ORDERS
    assert left == []
