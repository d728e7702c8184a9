"""A process notifies systemd's watchdog only while its loop turns."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from typing import TYPE_CHECKING

import pytest

import worker.process.liveness_file
from worker.process.liveness_file import LivenessFile
from worker.process.systemd import watch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Yield the receiving end of a watchdog that expects a notification every 30 ms."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as box:
        box.bind(str(path))
        box.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        monkeypatch.setenv("WATCHDOG_USEC", "30000")
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
        yield box


def test_the_watchdog_is_notified_for_a_turning_loop_and_not_for_a_hanging_one(
    systemd: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.process.liveness_file, "TURN", 0.2)
    alive = LivenessFile(tmp_path / "alive", "worker")
    alive.tick()
    assert systemd.recv(100) == b"WATCHDOG=1"
    threading.Event().wait(0.3)  # the loop hangs
    assert not alive.is_well()
    systemd.settimeout(0.1)
    with contextlib.suppress(TimeoutError):
        while systemd.recv(100):  # discard earlier notifications
            pass
    with pytest.raises(TimeoutError):
        systemd.recv(100)
    alive.tick()
    systemd.settimeout(5)
    assert systemd.recv(100) == b"WATCHDOG=1"
    alive.close()


def test_a_worker_that_waits_for_redis_is_not_killed_for_it(
    systemd: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.process.liveness_file, "TURN", 0.0)
    alive = LivenessFile(tmp_path / "alive", "worker")
    alive.tick()
    assert not alive.is_well()
    alive.wait()
    assert systemd.recv(100) == b"WATCHDOG=1"
    alive.close()


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": "/run/x"}, {"WATCHDOG_USEC": "1"}])
def test_without_a_watchdog_nothing_is_sent(environ: dict[str, str]) -> None:
    before = threading.active_count()
    watch(lambda: True, environ)
    assert threading.active_count() == before


def test_a_child_process_does_not_notify_for_its_parent(systemd: socket.socket) -> None:
    before = threading.active_count()
    watch(lambda: True, {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"})
    assert threading.active_count() == before
