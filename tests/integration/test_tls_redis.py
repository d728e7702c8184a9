"""Redis over TLS, alone or behind a Sentinel, with a private certificate: the clients of the ledger and of Celery."""

from __future__ import annotations

import contextlib
import gc
import subprocess
import time
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from kombu import Connection
from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError, ResponseError  # noqa: A004  # redis-py's own name

from support.ports import free_port
from support.programs import find_program, missing
from worker.app.broker import redis_broker
from worker.store.redis.connection import connect
from worker.store.redis.server import inspect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LACKING = missing("redis-server") and f"{missing('redis-server')}; the server in the wheel has no TLS"
pytestmark = pytest.mark.skipif(bool(LACKING), reason=LACKING or "redis-server is installed")
CONFIG = """\
port 0
tls-port {port}
bind 127.0.0.1
tls-auth-clients no
tls-replication yes
tls-cert-file {certificate}
tls-key-file {certificate}
tls-ca-cert-file {certificate}
dir "{home}"
"""


@contextlib.contextmanager
def running(home: Path, certificate: Path, more: str = "", *words: str) -> Iterator[int]:
    """Run a server that speaks TLS only; yield its port."""
    home.mkdir()
    port, config, log_file = free_port(), home / "conf", home / "log"
    config.write_text(CONFIG.format(port=port, certificate=certificate, home=home) + more)
    with log_file.open("wb") as log:
        server = subprocess.Popen([str(find_program("redis-server")), str(config), *words], stdout=log, stderr=log)
    try:
        until = time.monotonic() + 10
        while b"Ready to accept" not in (text := log_file.read_bytes()) and b"Sentinel ID" not in text:
            if server.poll() is not None or time.monotonic() > until:
                pytest.skip("this redis-server has no TLS: install one that was built with it (Debian: redis-server)")
            time.sleep(0.05)
        yield port
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def port(tmp_path: Path, certificate: Path) -> Iterator[int]:
    with running(tmp_path / "redis", certificate) as number:
        yield number


@pytest.fixture
def sentinel(tmp_path: Path, certificate: Path, port: int) -> Iterator[int]:
    """Run a Sentinel for the server that requires a client certificate and its own password; yield its port."""
    more = f"tls-auth-clients yes\nrequirepass watching\nsentinel monitor intake 127.0.0.1 {port} 1\n"
    with running(tmp_path / "sentinel", certificate, more, "--sentinel") as number:
        yield number


@pytest.fixture
def _left_open() -> Iterator[None]:
    """Collect the socket that Kombu leaves open within this test, so that no other test reports it."""
    yield
    with warnings.catch_warnings(action="ignore"):
        gc.collect()


def celery(url: str) -> Connection:
    """Return a connection as Celery makes it from its settings."""
    settings = redis_broker(url)
    return Connection(
        settings["broker_url"], ssl=settings["broker_use_ssl"], transport_options=settings["broker_transport_options"]
    )


@pytest.mark.usefixtures("_left_open")
def test_a_private_certificate_authority_is_set_in_the_url(port: int, certificate: Path) -> None:
    url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate}"
    with connect(url) as redis:
        assert redis.ping()
    assert inspect(url).version >= (6, 2)
    with celery(url) as broker, broker.SimpleQueue("hints") as queue:
        queue.put("a hint")
        assert queue.get(timeout=5).payload == "a hint"


@pytest.mark.usefixtures("_left_open")
def test_a_server_with_an_untrusted_certificate_is_refused(port: int) -> None:
    url = f"rediss://127.0.0.1:{port}/0"
    with connect(url, patience="short") as redis, pytest.raises(ConnectionError):
        redis.ping()
    with celery(url) as broker, pytest.raises(OperationalError, match="CERTIFICATE"):
        broker.ensure_connection(max_retries=1, timeout=5)


@pytest.mark.usefixtures("_left_open")
def test_sentinel_and_redis_are_both_reached_over_tls(sentinel: int, certificate: Path) -> None:
    url = f"sentinels://127.0.0.1:{sentinel}/intake?db=1&sentinel_password=watching"
    with pytest.raises(ConnectionError):
        inspect(f"{url}&ssl_ca_certs={certificate}")
    url += f"&ssl_ca_certs={certificate}&ssl_certfile={certificate}&ssl_keyfile={certificate}"
    with connect(url) as redis:
        assert redis.set("written", "1")
        assert redis.connection_pool.connection_kwargs["db"] == 1
    assert inspect(url).behind_sentinels
    with celery(url) as broker, broker.SimpleQueue("hints") as queue:
        queue.put("a hint")
        assert queue.get(timeout=5).payload == "a hint"


@pytest.mark.usefixtures("_left_open")
def test_a_sentinel_with_an_untrusted_certificate_is_refused(sentinel: int, certificate: Path) -> None:
    own = f"ssl_certfile={certificate}&ssl_keyfile={certificate}"
    url = f"sentinels://127.0.0.1:{sentinel}/intake?sentinel_password=watching&{own}"
    with pytest.raises(ConnectionError):
        inspect(url)
    with celery(url) as broker, pytest.raises(OperationalError, match="No master found"):
        broker.ensure_connection(max_retries=1, timeout=1)


@pytest.mark.usefixtures("_left_open")
def test_a_sentinel_that_requires_tls_is_unavailable_without_tls_in_its_address(sentinel: int) -> None:
    url = f"sentinel://127.0.0.1:{sentinel}/intake?sentinel_password=watching"
    with pytest.raises(ConnectionError):
        inspect(url)


@pytest.mark.repeat
@pytest.mark.usefixtures("_left_open")
def test_a_failover_over_tls_is_followed_by_the_ledger_and_by_celery(tmp_path: Path, certificate: Path) -> None:
    """Let the replica take over.

    In `make test`, `test_sentinel_and_redis_are_both_reached_over_tls` sees no failover.
    """
    own = f"ssl_ca_certs={certificate}&ssl_certfile={certificate}&ssl_keyfile={certificate}"
    with contextlib.ExitStack() as servers:
        master = servers.enter_context(running(tmp_path / "master", certificate))
        replicates = f"replicaof 127.0.0.1 {master}\n"
        replica = servers.enter_context(running(tmp_path / "replica", certificate, replicates))
        watches = f"tls-auth-clients yes\nsentinel monitor intake 127.0.0.1 {master} 1\n"
        watching = servers.enter_context(running(tmp_path / "sentinel", certificate, watches, "--sentinel"))
        url = f"sentinels://127.0.0.1:{watching}/intake?{own}"
        with (
            connect(url) as redis,
            celery(url) as broker,
            broker.SimpleQueue("hints") as queue,
            connect(f"rediss://127.0.0.1:{watching}/0?{own}") as sentinel,
        ):
            redis.set("written", "before")
            queue.put("before")
            _wait(lambda: _copied(replica, certificate))
            _wait(lambda: _accepts(sentinel))
            _wait(lambda: redis.info("server")["tcp_port"] == replica)
            assert redis.get("written") == "before"
            assert redis.set("written", "after")
        with celery(url) as broker, broker.SimpleQueue("hints") as queue:
            queue.put("after")
            assert [queue.get(timeout=10).payload for _ in range(2)] == ["before", "after"]


def _accepts(sentinel: Any) -> bool:
    """Return whether the Sentinel begins a failover: it knows a good replica some seconds after its start."""
    with contextlib.suppress(ResponseError):
        return bool(sentinel.execute_command("SENTINEL FAILOVER", "intake"))
    return False


def _copied(replica: int, certificate: Path) -> bool:
    with connect(f"rediss://127.0.0.1:{replica}/0?ssl_ca_certs={certificate}") as redis:
        return bool(redis.get("written") == "before")


def _wait(done: Callable[[], object]) -> None:
    until = time.monotonic() + 40
    while not done():
        assert time.monotonic() < until
        time.sleep(0.2)
