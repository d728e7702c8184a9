"""A target that accepts everything: nginx where it is installed, so that the target is not what is measured."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

import click

from bench.launch import run_server
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
    """A request: its time in Unix seconds, its status and its path."""

    at: float
    status: int
    path: str


class Sink(Protocol):
    """A target that responds to every POST as Dropday does to a new order. Below `/strict/` it takes 10 requests/s."""

    url: str
    #: The name of the server, for the notes.
    server: str

    def count(self) -> int:
        """Return the number of requests; those of the last 100 ms may be missing."""

    def hits(self) -> list[Hit]:
        """Return all requests."""


class Nginx:
    """An nginx that is read through its access log."""

    server = "nginx"

    def __init__(self, url: str, log: Path) -> None:
        self.url, self._log = url, log
        self._read = self._lines = 0

    def count(self) -> int:
        """Return the number of lines in the log."""
        with self._log.open("rb") as log:
            log.seek(self._read)
            while block := log.read(1 << 20):
                self._read += len(block)
                self._lines += block.count(b"\n")
        return self._lines

    def hits(self) -> list[Hit]:
        """Return the lines of the log."""
        time.sleep(0.3)  # nginx writes its last lines within 100 ms
        rows = (line.split() for line in self._log.read_text(encoding="utf-8").splitlines())
        return [Hit(float(at), int(status), path) for at, status, path in rows]


class Python:
    """A server in Python, used without nginx; it takes a share of the measured machine."""

    server = "a server in Python (no nginx here: it takes its share of the machine)"

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = Client(url, gate=Open(), headers={})

    def count(self) -> int:
        """Return the server's own count."""
        return int(self._client.read("/").json()["requests"])

    def together(self) -> int:
        """Return the most requests that were under way at once."""
        return int(self._client.read("/").json()["together"])

    def hits(self) -> list[Hit]:
        """Return the server's own list."""
        return [Hit(float(at), status, path) for at, status, path in self._client.read("/hits").json()]


@contextlib.contextmanager
def sink(home: Path) -> Iterator[Sink]:
    """Run a target during the block."""
    program = programs.find_program("nginx")
    with python_target() if program is None else _nginx(program, home) as target:
        yield target


@contextlib.contextmanager
def python_target(latency: float = 0.0, jitter: float = 0.0, limit: int = 0) -> Iterator[Python]:
    """Run `programs/target.py`, which also records the arrival of each order, as far away as its `latency` says."""
    with run_server("target", str(latency), str(jitter), str(limit)) as url:
        yield Python(url)


@contextlib.contextmanager
def _nginx(program: str, home: Path) -> Iterator[Nginx]:
    directory = home / "nginx"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = directory / "nginx.conf"
    config.write_text(_NGINX.format(home=directory, port=port))
    command = [program, "-p", str(directory), "-c", str(config), "-e", "stderr"]
    with subprocess.Popen(command) as process:
        try:
            _wait(process, port)
            yield Nginx(f"http://127.0.0.1:{port}", directory / "log")
        finally:
            process.terminate()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(100):
        if process.poll() is not None:
            raise click.ClickException("nginx did not start; its output is above")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise click.ClickException("nginx does not listen after five seconds")
