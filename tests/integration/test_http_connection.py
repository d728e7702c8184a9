"""The path of a call: proxies, connections, the gate and the guard of writes."""

from __future__ import annotations

import socket
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from support.http_calls import (
    SECRET,
    Make,
    Serve,
    dripping_headers,
    error_types,
    failure_of,
    read,
    read_and_write_failures,
    write,
)
from support.http_server import Server, reply, tunnel
from worker.errors import ConfigError, IntakeError, LeaseLost, RateLimited, Unavailable, Uncertain
from worker.http.client import guard_writes
from worker.http.connection import Connections
from worker.http.gates import Open

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path


def test_proxies_are_read_from_the_environment_once(serve: Serve, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, other = serve(), serve()
    monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("//", "//me:pass@"))
    client = make("http://shop.example/api")
    monkeypatch.setenv("HTTP_PROXY", other.url)
    client.read("/orders", [("a", "b")])
    assert other.requests == []
    assert proxy.requests[0].target == "http://shop.example/api/orders?a=b"
    assert proxy.requests[0].headers["proxy-authorization"] == "Basic bWU6cGFzcw=="
    assert proxy.requests[0].headers["host"] == "shop.example"


def test_no_proxy_of_the_environment_is_respected(serve: Serve, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, server = serve(), serve()
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    make(server.url).read("/")
    assert (len(proxy.requests), len(server.requests)) == (0, 1)


@pytest.mark.parametrize("value", ["socks5://me:hunter2@127.0.0.1:1", "http://me:hunter2@127.0.0.1:port", "http://"])
def test_a_proxy_that_cannot_be_used_is_refused_at_once(
    make: Make, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(ConfigError, match="HTTPS_PROXY") as caught:
        make("https://shop.example")
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_missing_ca_bundle_is_refused_at_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    with pytest.raises(ConfigError, match="REQUESTS_CA_BUNDLE"):
        make("https://shop.example")


def test_all_accounts_of_a_process_share_one_tls_context(monkeypatch: pytest.MonkeyPatch, certificate: Path) -> None:
    contexts = [Connections(f"https://shop-{n}.example")._pool.conn_kw["ssl_context"] for n in range(2)]
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    contexts.append(Connections("https://shop-2.example")._pool.conn_kw["ssl_context"])
    assert contexts == contexts[:1] * 3
    other = certificate.with_name("other.pem")
    other.write_bytes(certificate.read_bytes())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    assert Connections("https://shop.example")._pool.conn_kw["ssl_context"] is not contexts[0]


def test_a_proxy_that_refuses_the_tunnel_means_nothing_happened(
    serve: Serve, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(lambda _: [reply(407)])
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    assert error_types(read_and_write_failures(make("https://shop.example"))) == [Unavailable, Unavailable]
    assert [request.method for request in proxy.requests] == ["CONNECT", "CONNECT"]
    assert "authorization" not in proxy.requests[0].headers


def test_a_slowly_dripping_proxy_cannot_hold_a_call_past_its_deadline(
    serve: Serve, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(dripping_headers(lambda: proxy))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    began = time.monotonic()
    assert type(failure_of(lambda: write(make("https://shop.example", deadline=0.4)))) is Unavailable
    assert time.monotonic() - began < 5


def test_a_dripping_server_behind_a_tunnel_cannot_hold_a_call_past_its_deadline(
    serve: Serve, make: Make, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    server: Server = serve(
        lambda request: reply() if request.method == "GET" else server.pieces(b"HTTP/1.1 200 OK" * 90, 0.05), tls
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def open_tunnel() -> None:
            with suppress(OSError), listener.accept()[0] as sock:
                while not sock.recv(65536).endswith(b"\r\n\r\n"):
                    pass
                sock.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                tunnel(sock, ("127.0.0.1", server.port))

        thread = threading.Thread(target=open_tunnel)
        thread.start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{listener.getsockname()[1]}")
        client = make(server.url, deadline=0.5)
        assert read(client).status == 200
        began = time.monotonic()
        assert type(failure_of(lambda: write(client))) is Uncertain
        assert time.monotonic() - began < 5
        client.close()
        thread.join(5)


@pytest.mark.parametrize("secure", ["http", "https"])
def test_a_connection_is_used_again(serve: Serve, make: Make, tls: ssl.SSLContext, secure: str) -> None:
    answers = [reply(), reply(422, b'{"a": "b"}'), reply(429), reply(500), reply(204, b""), reply(302, b"see there")]
    server: Server = serve(lambda _: answers[len(server.requests) % len(answers)], tls if secure == "https" else None)
    client = make(server.url)
    for _ in range(4 * len(answers)):
        with suppress(IntakeError):
            write(client)
    assert (len(server.requests), server.connections) == (24, 1)


@pytest.mark.parametrize("body", [b"{}", b"x" * 300_000])
def test_a_connection_that_the_server_will_close_is_not_used_again(serve: Serve, make: Make, body: bytes) -> None:
    server = serve(lambda _: reply(body=body, connection="close"))
    client = make(server.url)
    for _ in range(2):
        assert write(client).body == body
    assert (len(server.requests), server.connections) == (2, 2)


@pytest.mark.parametrize("size", [3, 70_000])
def test_a_response_is_read_in_whatever_pieces_it_arrives(serve: Serve, make: Make, size: int) -> None:
    body = bytes(range(256)) * 600
    chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:5], body[5:90_000], body[90_000:])]
    head = b"HTTP/1.1 200 OK\r\n"
    forms = (
        head + b"Content-Length: %d\r\n\r\n" % len(body) + body,
        head + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(chunks) + b"0\r\n\r\n",
        head + b"Connection: close\r\n\r\n" + body,
    )
    for data in forms:
        pieces = [data[:size], *(data[at : at + 70_000] for at in range(size, len(data), 70_000))]
        assert write(make(serve(lambda _, pieces=pieces: pieces).url)).body == body


def test_a_connection_that_the_server_closed_while_idle_does_not_fail_a_write(serve: Serve, make: Make) -> None:
    server = serve()
    client = make(server.url)
    write(client)
    server.drop_connections()
    time.sleep(0.1)
    assert write(client).status == 200
    assert (len(server.requests), server.connections) == (2, 2)


def test_a_connection_closed_while_we_waited_at_the_gate_does_not_fail_a_write(serve: Serve, make: Make) -> None:
    server = serve()

    class Slow(Open):
        def enter(self) -> None:
            server.drop_connections()
            time.sleep(0.1)

    client = make(server.url, gate=Slow())
    assert [write(client).status for _ in range(3)] == [200, 200, 200]
    assert server.connections == 3


def test_a_client_serves_many_threads(serve: Serve, make: Make) -> None:
    server = serve(lambda request: reply(200, request.body))
    client = make(server.url)

    def call(number: int) -> bool:
        return bool(client.write("POST", f"/{number}", json=number).json() == number)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(call, range(400)))
    assert server.connections <= 8


def test_the_guard_runs_last_on_an_open_connection_and_for_writes_only(serve: Serve, make: Make) -> None:
    server = serve()
    events: list[tuple[str, int, int]] = []

    class Noting(Open):
        def enter(self) -> None:
            events.append(("gate", server.connections, len(server.requests)))

    def check() -> None:
        time.sleep(0.1)  # until the server thread has accepted the connection
        events.append(("guard", server.connections, len(server.requests)))

    client = make(server.url, gate=Noting())
    with guard_writes(check):
        write(client)
        read(client)
    write(client)
    assert events == [("gate", 0, 0), ("guard", 1, 0), ("gate", 1, 1), ("gate", 1, 2)]


def test_the_gate_is_passed_on_an_open_connection_and_told_when_the_request_was_sent(serve: Serve, make: Make) -> None:
    server = serve()
    passed: list[tuple[int, int]] = []

    class Noting(Open):
        def depart(self) -> Callable[[], None]:
            time.sleep(0.1)  # until the server thread has accepted the connection
            passed.append((server.connections, len(server.requests)))
            return sent

    def sent() -> None:
        time.sleep(0.1)
        passed.append((server.connections, len(server.requests)))

    read(make(server.url, gate=Noting(), deadline=0.15))
    assert passed == [(1, 0), (1, 1)], "waiting at the gate does not count towards the deadline"


def test_a_connection_that_is_closed_while_a_call_waits_for_its_departure_does_not_leave_a_write_in_doubt(
    serve: Serve, make: Make
) -> None:
    server = serve()

    class Slow(Open):
        closing = False

        def depart(self) -> None:
            if self.closing:
                server.drop_connections()
                time.sleep(0.1)

    client = make(server.url, gate=Slow())
    write(client)
    Slow.closing = True
    assert type(failure_of(lambda: write(client))) is Unavailable


def test_a_guard_that_raises_stops_the_write(serve: Serve, make: Make) -> None:
    server = serve()
    client = make(server.url)

    def check() -> None:
        raise LeaseLost("somebody else has it")

    with guard_writes(check):
        with pytest.raises(LeaseLost):
            write(client)
        assert read(client).status == 200
    assert write(client).status == 200
    assert [request.method for request in server.requests] == ["GET", "POST"]


def test_a_guard_holds_in_its_own_thread_only(serve: Serve, make: Make) -> None:
    client = make(serve().url)

    def check() -> None:
        raise LeaseLost("somebody else has it")

    with guard_writes(check), ThreadPoolExecutor(1) as pool:
        assert pool.submit(write, client).result().status == 200


def test_a_closed_gate_stops_the_call(serve: Serve, make: Make) -> None:
    class Closed(Open):
        def enter(self) -> None:
            raise RateLimited("the limit is used up", 9)

    server = serve()
    client = make(server.url, gate=Closed())
    for call in (read, write):
        with pytest.raises(RateLimited):
            call(client)
    assert server.connections == 0
