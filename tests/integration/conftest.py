"""Fixtures: settings, runtimes and the console; servers, clients and a certificate for the tests of HTTP."""

from __future__ import annotations

import ssl
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from support.console import Consoles, running_console
from support.http_calls import SECRET, Make, Serve
from support.http_server import Answerer, Server, reply
from support.settings_texts import Configured
from worker.http.client import Client
from worker.http.gates import Open

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redis import Redis

    from worker.runtime import Runtime


@pytest.fixture
def configured(tmp_path: Path, redis_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Configured]:
    """Yield an object that writes settings for the session's Redis and opens runtimes from them."""
    configured = Configured(tmp_path, redis_url, monkeypatch)
    yield configured
    configured.close()


@pytest.fixture
def rt(configured: Configured) -> Runtime:
    """Return a runtime that routes one RetailCRM account to one Dropday account; nothing listens at either address."""
    return configured.open()


@pytest.fixture
def consoles(rt: Runtime, monkeypatch: pytest.MonkeyPatch) -> Iterator[Consoles]:
    """Yield the console over the settings of `rt`."""
    assert rt
    with running_console(monkeypatch) as consoles:
        yield consoles


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[Server] = []

    def start(answer: Answerer = lambda _: reply(), tls: ssl.SSLContext | None = None) -> Server:
        servers.append(Server(answer, tls))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Yield a function that makes clients and closes them; the environment names no proxy and no CA bundle."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "CURL_CA_BUNDLE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    clients: list[Client] = []

    def build(base_url: str, **options: Any) -> Client:
        defaults: dict[str, Any] = {"gate": Open(), "headers": {"X-Api-Key": SECRET}, "deadline": 5.0}
        clients.append(Client(base_url, **defaults | options))
        return clients[-1]

    yield build
    for client in clients:
        client.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a key and a self-signed certificate for 127.0.0.1, valid for one day, into one file."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    result = subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "1",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            "-",
            "-out",
            "-",
        ],
        check=True,
        capture_output=True,
    )
    path.write_bytes(result.stdout)
    return path


@pytest.fixture
def tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
