"""Every client refuses a server whose certificate is of another name, its own signer, or expired: it sends nothing."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import ssl
import subprocess
import threading
import warnings
from typing import TYPE_CHECKING, Any, Final

import pytest
from kombu import Connection

from worker.app.broker import redis_broker
from worker.http.client import Client
from worker.http.gates import Open
from worker.settings.amqp import AmqpAddress
from worker.store.redis.connection import connect
from worker.store.redis.server import inspect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: What is wrong with the certificate of a server.
FAULTS: Final = ("another name", "self-signed", "expired")
_CA: Final = """
[ca]
default_ca = it
[it]
database = {home}/index
serial = {home}/serial
new_certs_dir = {home}
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
"""


def _openssl(home: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=home, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a certificate authority, and a certificate and key for each fault, and one without."""
    home = tmp_path_factory.mktemp("certificates")
    (home / "ca.cnf").write_text(_CA.format(home=home))
    (home / "index").touch()
    (home / "serial").write_text("01")
    past = ("-startdate", "20200101000000Z", "-enddate", "20200102000000Z")
    new = ("-newkey", "rsa:2048", "-nodes", "-sha256")
    _openssl(home, "req", "-x509", *new, "-days", "2", "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem")
    for fault in ("none", *FAULTS):
        name = "DNS:other.example" if fault == "another name" else "DNS:localhost,IP:127.0.0.1"
        given = ("-subj", f"/CN={fault}", "-addext", f"subjectAltName={name}", "-keyout", f"{fault}.key")
        if fault == "self-signed":
            _openssl(home, "req", "-x509", *new, "-days", "2", *given, "-out", f"{fault}.pem")
            continue
        _openssl(home, "req", *new, *given, "-out", "request")
        days = past if fault == "expired" else ("-days", "2")
        signer = ("-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key")
        _openssl(home, "ca", "-batch", *signer, *days, "-in", "request", "-out", f"{fault}.pem")
    return home


class Server:
    """A server that notes what it is sent after the handshake, and responds nothing."""

    def __init__(self, home: Path, fault: str) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(home / f"{fault}.pem", home / f"{fault}.key")
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port, self.received = self._socket.getsockname()[1], b""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with contextlib.suppress(OSError), connection:
                    connection.settimeout(5)
                    with self._context.wrap_socket(connection, server_side=True) as wire:
                        self.received += wire.recv(1000)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)


def ledger(port: int, ca: Path) -> None:
    with connect(f"rediss://localhost:{port}/0?ssl_ca_certs={ca}", patience="short") as redis:
        redis.ping()


def sentinel(port: int, ca: Path) -> None:
    inspect(f"sentinels://localhost:{port}/intake?ssl_ca_certs={ca}")


def broker(settings: dict[str, Any]) -> None:
    options = settings.get("broker_transport_options", {})
    with Connection(settings["broker_url"], ssl=settings["broker_use_ssl"], transport_options=options) as connection:
        connection.ensure_connection(max_retries=1, timeout=2)


def celery(port: int, ca: Path) -> None:
    broker(redis_broker(f"rediss://localhost:{port}/0?ssl_ca_certs={ca}"))


def amqp(port: int, ca: Path) -> None:
    broker(AmqpAddress.parse(f"amqps://me:pw@localhost:{port}/v?ssl_ca_certs={ca}").celery())


def https(port: int, ca: Path) -> None:
    _read(f"https://localhost:{port}", ca)


def https_proxy(port: int, ca: Path) -> None:
    _read("https://api.example", ca, HTTPS_PROXY=f"https://localhost:{port}")


def _read(url: str, ca: Path, **environment: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"REQUESTS_CA_BUNDLE": str(ca), **environment}.items():
            patch.setenv(name, value)
        client = Client(url, gate=Open(), headers={"X-Api-Key": "k"}, deadline=3)
        with contextlib.closing(client):
            client.read("/orders")


def otlp(port: int, ca: Path) -> None:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(ca))
        exporter = OTLPSpanExporter(endpoint=f"https://localhost:{port}/v1/traces", timeout=2)
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        provider.get_tracer("test").start_span("one").end()
        provider.shutdown()


CLIENTS: Final[dict[str, Callable[[int, Path], None]]] = {
    "the ledger": ledger,
    "Sentinel": sentinel,
    "Celery on Redis": celery,
    "Celery on RabbitMQ": amqp,
    "HTTPS": https,
    "an HTTPS proxy": https_proxy,
    "traces": otlp,
}


@pytest.fixture(autouse=True)
def _left_open(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Clear the proxies of the environment; collect the sockets that libraries leave open within this test."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    yield
    with warnings.catch_warnings(action="ignore"):
        gc.collect()


#: It tries again for seconds.
_SLOW: Final = "Celery on Redis"


@pytest.mark.parametrize(
    "client", [pytest.param(name, marks=[pytest.mark.repeat] if name == _SLOW else []) for name in CLIENTS]
)
def test_a_client_refuses_every_false_certificate_and_accepts_the_right_one(client: str, certificates: Path) -> None:
    for fault in ("none", *FAULTS):
        server = Server(certificates, fault)
        try:
            with contextlib.suppress(Exception):
                CLIENTS[client](server.port, certificates / "ca.pem")
        finally:
            server.close()
        assert bool(server.received) is (fault == "none"), (client, fault)
