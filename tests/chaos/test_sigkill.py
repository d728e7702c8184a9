"""SIGKILL during the work, for a pool process, the worker, beat and Valkey."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from support.stack import Stack

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.paced

ORDERS = 600
#: Seconds after its worker was killed within which another must claim an order.
TAKE_OVER = 15.0


def takeover_seconds(stack: Stack, killed_at: float) -> float | None:
    """Return the seconds from the kill until the last order of the killed worker was claimed again, or None."""
    longest: float | None = None
    for raw in stack.admin.read("/_sandbox/retailcrm/shop/orders").json()["orders"]:
        for entry in stack.runtime.ledger.entries(["dropday"], f"shop:{raw['id']}"):
            claimed, lost = 0.0, False
            for millis, event in entry.history:
                at = millis / 1000
                if event.startswith("claimed"):
                    if lost:
                        longest = max(longest or 0.0, at - killed_at)
                    claimed, lost = at, False
                elif event.startswith("taken over"):
                    lost = claimed <= killed_at < at
    return longest


@pytest.mark.timeout(240)
def test_killing_every_process_in_turn_loses_and_duplicates_nothing(tmp_path: Path) -> None:
    """Kill each process of a stack whose target accepts duplicates."""
    faults = ["dropday:create:cut_after:times=5:skip=100", "dropday:create:500_after:times=5:skip=300"]
    with Stack(tmp_path, ORDERS - 100, faults=faults, limit="40/s", dedupe="off") as stack:
        stack.start()
        stack.wait(lambda: stack.created() > 50, 60, "the first orders")
        child = stack.kill_child()
        stack.wait(lambda: stack.created() > 150, 60, "after a pool process")
        worker = stack.kill("worker")
        stack.add(100, over=5)
        stack.wait(lambda: stack.created() > 250, 90, "after the worker")
        stack.kill("beat")
        stack.wait(lambda: stack.created() > 350, 60, "after beat")
        # Without Valkey nothing can be taken over, so the take-overs must end before it is killed.
        stack.wait(lambda: time.time() - worker > TAKE_OVER, 30, "the take-overs")
        stack.kill("valkey")
        stack.wait(lambda: stack.created() >= ORDERS, 120, "all orders")
        stack.wait(stack.settled, 60, "settled")
        comparison = stack.compare()
        times = {"pool process": takeover_seconds(stack, child), "worker": takeover_seconds(stack, worker)}
        left = stack.stop()
        history = stack.history()
    print(f"{comparison}; taken up after (s): {times}")
    assert comparison.clean, str(comparison)
    assert history == ""
    assert comparison.orders == ORDERS
    assert left == []
    assert any(times.values()), "no killed process held an order: the test saw nothing"
    assert all(seconds is None or seconds < TAKE_OVER for seconds in times.values())


@pytest.mark.timeout(120)
def test_ctrl_c_at_any_time_leaves_nothing_running(tmp_path: Path) -> None:
    for delay in (0.3, 4.0):
        home = tmp_path / str(delay)
        home.mkdir()
        with Stack(home, 200) as stack:
            stack.start()
            time.sleep(delay)
            assert stack.stop() == []
