"""The settings change again and again while orders flow: nothing is lost, duplicated or different."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest

from support.stack import Stack

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.paced, pytest.mark.repeat]

ORDERS = 400


@pytest.mark.timeout(600)
def test_a_reload_while_orders_flow_loses_and_duplicates_nothing(tmp_path: Path) -> None:
    """Reload a stack whose target accepts duplicates, by a command and by a signal, once with a broken file.

    In `make test`, `test_a_file_is_taken_over_as_a_whole_or_not_at_all` and
    `test_a_process_of_its_own_finishes_its_work_and_is_replaced`.
    """
    with Stack(
        tmp_path, ORDERS, faults=["dropday:create:slow:times=40:seconds=1"], limit="40/s", dedupe="off"
    ) as stack:
        stack.start()
        good = stack.config.read_text()
        for number, (created, limit) in enumerate(((40, "30/s"), (120, "50/s"), (200, "35/s"))):
            stack.wait(partial(_has_created, stack, created), 60, f"{created} orders")
            stack.config.write_text(f"{good}\n[broken")
            assert reload(stack) == 2
            stack.config.write_text(re.sub(r'limit = "\d+/s"', f'limit = "{limit}"', good))
            assert reload(stack) == 0, stack.log()
            assert stack.log().count("all processes run with the new settings") == number + 1
        stack.wait(lambda: stack.created() >= ORDERS, 120, "all orders")
        stack.wait(stack.settled, 60, "settled")
        comparison = stack.compare()
        left = stack.stop()
        history = stack.history()
    assert comparison.clean, str(comparison)
    assert comparison.orders == ORDERS
    assert (history, left) == ("", [])


def _has_created(stack: Stack, count: int) -> bool:
    return stack.created() > count


def reload(stack: Stack) -> int:
    command = [sys.executable, "-m", "worker.cli", "--config", str(stack.config), "reload"]
    return subprocess.run(command, check=False, cwd=stack.home).returncode
