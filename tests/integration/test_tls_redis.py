"""Redis over TLS, with a certificate of an authority of one's own: the ledger's client, and Celery's."""

from __future__ import annotations

import gc
import shutil
import subprocess
import time
import warnings
from typing import TYPE_CHECKING

import pytest
from kombu import Connection
from kombu.exceptions import OperationalError
from ports import free_port
from redis.exceptions import ConnectionError  # noqa: A004  # redis-py's own name

from worker.broker import redis_broker
from worker.store.connection import connect
from worker.store.server import inspect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVER = shutil.which("redis-server") or shutil.which("valkey-server")
pytestmark = pytest.mark.skipif(SERVER is None, reason="no redis-server is installed; the one in the wheel has no TLS")


@pytest.fixture
def port(tmp_path: Path, certificate: Path) -> Iterator[int]:
    number = free_port()
    words = f"--port 0 --tls-port {number} --bind 127.0.0.1 --tls-auth-clients no --dir {tmp_path}"
    files = ["--tls-cert-file", str(certificate), "--tls-key-file", str(certificate)]
    files += ["--tls-ca-cert-file", str(certificate)]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen([str(SERVER), *words.split(), *files], stdout=log, stderr=log)
    until = time.monotonic() + 10
    while b"Ready to accept" not in (tmp_path / "log").read_bytes():
        if server.poll() is not None or time.monotonic() > until:
            server.kill()
            server.wait()
            pytest.skip("this redis-server has no TLS")
        time.sleep(0.05)
    yield number
    server.kill()
    server.wait()


@pytest.fixture
def _left_open() -> Iterator[None]:
    """Kombu leaves a socket of its own to the collector, which is to find it here, and nowhere else."""
    yield
    with warnings.catch_warnings(action="ignore"):
        gc.collect()


@pytest.mark.usefixtures("_left_open")
def test_an_authority_of_ones_own_is_named_in_the_url(port: int, certificate: Path) -> None:
    url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate}"
    with connect(url) as redis:
        assert redis.ping()
    assert inspect(url).version >= (6, 2)
    with Connection(redis_broker(url)["broker_url"]) as broker, broker.SimpleQueue("hints") as queue:
        queue.put("a hint")
        assert queue.get(timeout=5).payload == "a hint"


@pytest.mark.usefixtures("_left_open")
def test_a_server_that_cannot_prove_who_it_is_is_not_spoken_to(port: int) -> None:
    url = f"rediss://127.0.0.1:{port}/0"
    with connect(url, patience="short") as redis, pytest.raises(ConnectionError):
        redis.ping()
    with Connection(redis_broker(url)["broker_url"]) as broker, pytest.raises(OperationalError, match="CERTIFICATE"):
        broker.ensure_connection(max_retries=1, timeout=5)
