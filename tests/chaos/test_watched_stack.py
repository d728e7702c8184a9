"""The alarms of the whole stack: a frozen, blocked or dead process is reported once and cleared afterwards."""

from __future__ import annotations

import calendar
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from support.stack import Stack
from worker.store.health.alarms import AlarmState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: Seconds from one poll to the next.
POLL = 2.0
WATCHED = '[clocks]\nsweep = "250ms"\n[alarms]\nevery = "200ms"\ngrace = "100ms"\nsilent_after = "5s"\n'


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path, 5, extra=WATCHED) as stack:
        stack.start()
        stack.wait(lambda: stack.created() == 5, 60, "the first orders")
        # Alarms raised while the processes were starting are cleared.
        stack.wait(lambda: not AlarmState(stack.runtime.redis).read_raised(), 30, "no alarm")
        yield stack


def log_lines(stack: Stack, event: str, name: str) -> list[dict[str, Any]]:
    """Return the log lines of this event for the alarm `name`."""
    texts = [line[line.index("{") :] for line in stack.log().splitlines() if f'"{event}"' in line]
    return [line for line in map(json.loads, texts) if (line["event"], line["name"]) == (event, name)]


def within(seconds: float, done: Callable[[], object]) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.soak
def test_a_frozen_or_dead_process_is_reported_in_time_once_and_cleared_afterwards(stack: Stack) -> None:
    # The alarm for a provider is raised within two of its poll intervals.
    before = len(log_lines(stack, "alarm.raised", "provider_late"))
    stack.admin.write("POST", "/_sandbox/faults", json={"spec": "retailcrm:history:500"})
    frozen = time.time()
    within(30, lambda: len(log_lines(stack, "alarm.raised", "provider_late")) > before)
    line = log_lines(stack, "alarm.raised", "provider_late")[-1]
    assert line["subject"] == "shop"
    # The time of the log line, with a second of tolerance for two busy cores.
    at = calendar.timegm(time.strptime(line["timestamp"][:19], "%Y-%m-%dT%H:%M:%S"))
    assert at - frozen <= 2 * POLL + 1
    stack.admin.write("DELETE", "/_sandbox/faults")
    within(40, lambda: len(log_lines(stack, "alarm.cleared", "provider_late")) > before)
    assert len(log_lines(stack, "alarm.raised", "provider_late")) == before + 1, "raised once while it lasted"
    # Every process of the stack is alive and ready.
    assert stack.health("--live") == (0, "ok: listen makes progress, upkeep makes progress, worker makes progress\n")
    assert stack.health("--ready")[0] == 0
    # The alarm for beat is raised by a process that needs no tick.
    (beat,) = stack.processes("beat")
    beat.suspend()
    within(20, lambda: log_lines(stack, "alarm.raised", "beat_silent"))
    code, output = stack.health("--ready")
    assert (code, "Start the beat process" in output) == (1, True)
    beat.resume()
    within(20, lambda: log_lines(stack, "alarm.cleared", "beat_silent"))


@pytest.mark.soak
def test_a_redis_that_does_not_answer_is_not_blamed_on_the_worker(stack: Stack) -> None:
    (valkey,) = stack.processes("valkey")
    valkey.suspend()
    try:
        until = time.monotonic() + 25
        while time.monotonic() < until:
            assert stack.health("--live")[0] == 0
        code, output = stack.health("--ready")
        assert (code, output.startswith("error: Redis accepts connections, but does not respond")) == (1, True)
    finally:
        valkey.resume()
    within(60, lambda: stack.health("--ready")[0] == 0)
    (worker,) = stack.processes("worker")
    worker.suspend()
    try:
        within(30, lambda: log_lines(stack, "alarm.raised", "worker_silent"))
    finally:
        worker.resume()
    within(30, lambda: log_lines(stack, "alarm.cleared", "worker_silent"))
