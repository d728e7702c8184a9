"""No server can hold a call past its deadline or exhaust our memory."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest

from support.http_calls import (
    Make,
    Serve,
    dripping_body,
    dripping_chunks,
    dripping_headers,
    endless_interim_answers,
    error_types,
    failure_of,
    read,
    read_and_write_failures,
    silence,
    write,
)
from support.http_server import Answerer, Server, reply
from worker.errors import Unavailable, Uncertain
from worker.http.client import TooLarge
from worker.http.gates import Open

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable


DRIPS = [dripping_headers, dripping_body, dripping_chunks, endless_interim_answers, silence]


@pytest.mark.parametrize("drip", DRIPS)
@pytest.mark.parametrize("secure", ["http", "https"])
def test_a_dripping_server_cannot_hold_a_call_past_its_deadline(
    serve: Serve, make: Make, tls: ssl.SSLContext, drip: Callable[..., Answerer], secure: str
) -> None:
    server: Server = serve(drip(lambda: server), tls if secure == "https" else None)
    client = make(server.url, deadline=0.4)
    for call, expected in ((read, Unavailable), (write, Uncertain)):
        began = time.monotonic()
        error = failure_of(partial(call, client))
        assert 0.3 < time.monotonic() - began < 5
        assert type(error) is expected
        assert "TimeoutError" in str(error)


@pytest.mark.parametrize("secure", ["http", "https"])
def test_a_server_that_does_not_read_cannot_hold_a_write_past_its_deadline(
    make: Make, tls: ssl.SSLContext, secure: str
) -> None:
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def read_slowly() -> None:
            sock: socket.socket = listener.accept()[0]
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            with suppress(OSError), tls.wrap_socket(sock, server_side=True) if secure == "https" else sock as ours:
                while ours.recv(100) and not done.wait(0.05):
                    pass

        thread = threading.Thread(target=read_slowly)
        thread.start()
        client = make(f"{secure}://127.0.0.1:{listener.getsockname()[1]}", deadline=0.5)
        began = time.monotonic()
        error = failure_of(lambda: client.write("POST", "/x", form=[("a", "x" * 2**24)]))
        assert time.monotonic() - began < 5
        done.set()
        thread.join(5)
    assert type(error) is Uncertain


def test_a_tls_handshake_that_never_ends_is_a_write_that_never_began(make: Make, tls: ssl.SSLContext) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        began = time.monotonic()
        error = failure_of(lambda: write(make(f"https://127.0.0.1:{listener.getsockname()[1]}", deadline=0.4)))
        assert time.monotonic() - began < 5
    assert type(error) is Unavailable


def test_several_silent_addresses_share_one_deadline(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]  # the backlog is full: further connections get no response
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(address)
        addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)] * 3
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
        began = time.monotonic()
        assert type(failure_of(lambda: write(make("http://many.example", deadline=0.6)))) is Unavailable
        assert 0.5 < time.monotonic() - began < 1.7
        for sock in waiting:
            sock.close()


def test_the_next_address_is_tried_when_the_first_refuses(
    serve: Serve, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    addresses = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, server.port)) for host in ("127.0.0.2", "127.0.0.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
    assert write(make("http://two.example")).status == 200


def test_waiting_at_the_gate_does_not_count_towards_the_deadline(serve: Serve, make: Make) -> None:
    class Slow(Open):
        def enter(self) -> None:
            time.sleep(0.5)

    assert read(make(serve().url, gate=Slow(), deadline=0.4)).status == 200


def chunked(body: bytes) -> list[bytes]:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return [head, *(b"100\r\n" + body[i : i + 256] + b"\r\n" for i in range(0, len(body), 256)), b"0\r\n\r\n"]


BIG = b"x" * 4096
BOMB = gzip.compress(b" " * 50_000_000)


@pytest.mark.parametrize(
    "answer",
    [
        reply(body=BIG),
        [b"HTTP/1.1 200 OK\r\n\r\n", BIG],
        chunked(BIG),
        reply(body=BOMB[:60000], content_encoding="gzip"),
    ],
    ids=["with a length", "without a length", "chunked", "gzip"],
)
def test_a_body_over_max_bytes_is_refused(serve: Serve, make: Make, answer: bytes | list[bytes]) -> None:
    errors = read_and_write_failures(make(serve(lambda _: answer).url, max_bytes=4095))
    assert error_types(errors) == [TooLarge, Uncertain]
    assert "max_bytes" in str(errors[0])


def test_a_gzip_bomb_is_not_decompressed_in_memory(serve: Serve, make: Make) -> None:
    import tracemalloc

    client = make(serve(lambda _: reply(body=BOMB, content_encoding="gzip")).url, max_bytes=100_000)
    tracemalloc.start()
    try:
        assert type(failure_of(lambda: read(client))) is TooLarge
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("answer", [reply(body=BIG), [b"HTTP/1.1 200 OK\r\n\r\n", BIG], chunked(BIG)])
def test_a_body_of_exactly_max_bytes_is_accepted(serve: Serve, make: Make, answer: bytes | list[bytes]) -> None:
    assert read(make(serve(lambda _: answer).url, max_bytes=4096)).body == BIG


def test_the_client_still_works_after_a_body_that_was_too_large(serve: Serve, make: Make) -> None:
    answers = iter([reply(body=BIG), reply(body=b"[]")])
    client = make(serve(lambda _: next(answers)).url, max_bytes=100)
    failure_of(lambda: read(client))
    assert read(client).json() == []


def test_a_compressed_body_is_decompressed(serve: Serve, make: Make) -> None:
    server = serve(lambda _: reply(body=gzip.compress(b'{"a": "b"}'), content_encoding="gzip"))
    assert read(make(server.url)).json() == {"a": "b"}
    assert "gzip" in server.requests[0].headers["accept-encoding"]
