"""The time limit of Celery ends a real worker process, and no order pays for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chaos.stuck import ONCE, WHEN, Stuck
from soak.depot import install
from support.stack import Stack
from worker.systems.targets import target_kinds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ORDERS = 30
#: The limit is a minute beyond these clocks.
CLOCKS = """
[clocks]
poll = "3s"
drain = "3s"
request = "2s"
heartbeat = "1s"
lease = "3s"
hint = "3s"
"""


@pytest.fixture(autouse=True)
def own_kinds() -> Iterator[None]:
    """Read the kinds of targets again in the test: another one in this process may have read them before."""
    target_kinds.cache_clear()
    yield
    target_kinds.cache_clear()


@pytest.mark.repeat
@pytest.mark.timeout(300)
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_adapter_that_hangs_is_ended_by_celery_and_its_order_is_created_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Hang before and after the order was created.

    In `make test`, `test_an_order_does_not_pay_for_the_time_limit_of_celery`, without a worker process.
    """
    monkeypatch.setenv(ONCE, str(tmp_path / "hung"))
    monkeypatch.setenv(WHEN, when)
    python = install(tmp_path, Stuck)
    monkeypatch.syspath_prepend(tmp_path)
    with Stack(tmp_path, ORDERS, kind=Stuck.kind, extra=CLOCKS, python=python) as stack:
        stack.start()
        stack.wait(lambda: "hard time limit" in stack.log().lower(), 150, "the end of the process that hangs")
        stack.wait(lambda: stack.created() >= ORDERS, 60, "all orders")
        stack.wait(stack.settled, 60, "settled")
        comparison, faults = stack.compare(), stack.history()
        lane = stack.runtime.lanes["dropday"]
        assert int(lane.status().get("dead", 0)) == 0
        assert stack.stop() == []
    assert (tmp_path / "hung").exists()
    assert comparison.clean, str(comparison)
    assert comparison.orders == ORDERS
    assert faults == ""
