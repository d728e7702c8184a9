"""The target that takes all that comes: nginx where it is installed, so that the target is not what is measured."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

import click

from bench.launch import serving
from support import programs
from worker.http.client import Client
from worker.http.gates import Open

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NGINX = """
daemon off; worker_processes 1; pid {home}/pid; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  log_format one '$msec $status $uri';
  access_log {home}/log one buffer=256k flush=100ms;
  client_body_temp_path {home}/b; proxy_temp_path {home}/p; fastcgi_temp_path {home}/f;
  uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
  keepalive_requests 1000000000; keepalive_timeout 3600s; client_body_buffer_size 1m; default_type application/json;
  limit_req_zone $server_addr zone=strict:1m rate=10r/s; limit_req_status 503;
  server {{
    listen 127.0.0.1:{port} reuseport;
    location /strict/ {{ limit_req zone=strict; empty_gif; }}
    location / {{ return 200 '{{"message":"Order created","reference":"$request_id"}}'; }}
  }}
}}
"""


class Hit(NamedTuple):
    """One request: when (Unix seconds), its status, its path."""

    at: float
    status: int
    path: str


class Sink(Protocol):
    """A target that answers every POST as Dropday does for a new order; behind `/strict/`, ten requests a second."""

    #: Where it is, and what it is, in words.
    url: str
    what: str

    def count(self) -> int:
        """Requests so far; those of the last tenth of a second may be missing."""

    def hits(self) -> list[Hit]:
        """All requests so far."""


class Nginx:
    """An nginx; what it took stands in its log."""

    what = "nginx"

    def __init__(self, url: str, log: Path) -> None:
        self.url, self._log = url, log
        self._read = self._lines = 0

    def count(self) -> int:
        """Lines of the log."""
        with self._log.open("rb") as log:
            log.seek(self._read)
            while block := log.read(1 << 20):
                self._read += len(block)
                self._lines += block.count(b"\n")
        return self._lines

    def hits(self) -> list[Hit]:
        """The log, read."""
        time.sleep(0.3)  # it writes its last lines within 100 ms
        rows = (line.split() for line in self._log.read_text(encoding="utf-8").splitlines())
        return [Hit(float(at), int(status), path) for at, status, path in rows]


class Python:
    """A server in Python: where there is no nginx, it is what is measured as well."""

    what = "a server in Python (no nginx here: it takes its share of the machine)"

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = Client(url, gate=Open(), headers={})

    def count(self) -> int:
        """As it says."""
        return int(self._client.read("/").json()["requests"])

    def hits(self) -> list[Hit]:
        """As it says."""
        return [Hit(float(at), status, path) for at, status, path in self._client.read("/hits").json()]


@contextlib.contextmanager
def sink(home: Path) -> Iterator[Sink]:
    """Such a target, until the block ends."""
    program = programs.find_program("nginx")
    with python_target() if program is None else _nginx(program, home) as found:
        yield found


@contextlib.contextmanager
def python_target() -> Iterator[Python]:
    """`programs/target.py`, which knows as well when each order came."""
    with serving("target") as url:
        yield Python(url)


@contextlib.contextmanager
def _nginx(program: str, home: Path) -> Iterator[Nginx]:
    own = home / "nginx"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = own / "nginx.conf"
    config.write_text(_NGINX.format(home=own, port=port))
    command = [program, "-p", str(own), "-c", str(config), "-e", "stderr"]
    with subprocess.Popen(command) as process:
        try:
            _wait(process, port)
            yield Nginx(f"http://127.0.0.1:{port}", own / "log")
        finally:
            process.terminate()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(100):
        if process.poll() is not None:
            raise click.ClickException("nginx did not start; what it said stands above")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise click.ClickException("nginx does not listen after five seconds")
