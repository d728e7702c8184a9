"""A RabbitMQ with its own node, files and ports."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Self

from support.ports import free_port
from support.programs import missing

if TYPE_CHECKING:
    from pathlib import Path


def impossible() -> str:
    """Return why RabbitMQ cannot run on this machine, or an empty string."""
    return missing("rabbitmq-server", "epmd")


class Rabbit:
    """One node on loopback, whose queues survive a kill and restart."""

    def __init__(self, home: Path) -> None:
        home.mkdir()
        self.port = free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        self._log = home / "output"
        epmd = str(free_port())
        self._env = os.environ | {
            "HOME": str(home),  # the cookie of Erlang
            "ERL_EPMD_PORT": epmd,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"intake{os.getpid()}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_PID_FILE": str(home / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq"),
        }
        # If the node had to start epmd, Erlang's directory of nodes, that process would outlive it.
        self._epmd = subprocess.Popen(["epmd", "-port", epmd, "-address", "127.0.0.1"], stdin=subprocess.DEVNULL)
        self._node: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        script = shutil.which("rabbitmq-server", path="/usr/lib/rabbitmq/bin") or "rabbitmq-server"
        with self._log.open("ab") as log:
            self._node = subprocess.Popen(
                [script], env=self._env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def wait(self) -> None:
        until = time.monotonic() + 90
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.2)
        raise AssertionError(f"RabbitMQ does not start:\n{self._log.read_text()[-3000:]}")

    def kill(self) -> None:
        """Send SIGKILL to the whole node."""
        if self._node is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._node.pid, signal.SIGKILL)
            self._node.wait()

    def __enter__(self) -> Self:
        self.start()
        self.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._epmd.kill()
        self._epmd.wait()
