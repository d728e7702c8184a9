"""The outcome of a call for every response of the other side."""

from __future__ import annotations

import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

from support.http_calls import (
    Make,
    RecordingGate,
    Serve,
    delays,
    error_types,
    failure_of,
    read,
    read_and_write_failures,
    write,
)
from support.http_server import Answerer, Close, Request, Reset, reply
from worker.errors import AuthFailed, Misdirected, RateLimited, Rejected, TargetDown, Unavailable, Uncertain

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable


def test_a_refused_connection_means_nothing_happened(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    errors = read_and_write_failures(make(f"http://127.0.0.1:{port}"))
    assert error_types(errors) == [Unavailable, Unavailable]
    assert str(errors[1]) == "POST /orders: connection refused, nothing was sent"


def test_a_name_that_is_not_resolved_means_nothing_happened(make: Make) -> None:
    errors = read_and_write_failures(make("http://nowhere.invalid"))
    assert error_types(errors) == [Unavailable, Unavailable]
    assert "no address is known for this name" in str(errors[0])


def test_a_certificate_we_do_not_trust_means_nothing_happened(
    serve: Serve, make: Make, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(tls=tls)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    errors = read_and_write_failures(make(server.url))
    assert error_types(errors) == [Unavailable, Unavailable]
    assert "SSLCertVerificationError" in str(errors[0])
    assert server.requests == []


def test_a_certificate_for_another_host_means_nothing_happened(serve: Serve, make: Make, tls: ssl.SSLContext) -> None:
    server = serve(tls=tls)
    assert error_types(read_and_write_failures(make(f"https://localhost:{server.port}"))) == [Unavailable, Unavailable]
    assert server.requests == []


def test_a_server_without_tls_means_nothing_happened(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            for _ in range(2):
                with listener.accept()[0] as sock:
                    sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    sock.recv(65536)

        thread = threading.Thread(target=answer)
        thread.start()
        errors = read_and_write_failures(make(f"https://127.0.0.1:{listener.getsockname()[1]}"))
        thread.join(5)
    assert error_types(errors) == [Unavailable, Unavailable]


def reset(_: Request) -> bytes:
    raise Reset


def close(_: Request) -> bytes:
    raise Close


@pytest.mark.parametrize("answer", [reset, close])
def test_a_connection_lost_after_the_request_was_read_is_uncertain_for_a_write(
    serve: Serve, make: Make, answer: Answerer
) -> None:
    server = serve(answer)
    errors = read_and_write_failures(make(server.url))
    assert error_types(errors) == [Unavailable, Uncertain]
    assert "after sending began" in str(errors[1])
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 201 Created\r\nContent-Length: 50\r\n\r\n{",
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\nContent-Encoding: gzip\r\n\r\n{abc}",
        b"HTTP/1.1 201 Created\r\nContent-Len",
        b"HTTP/1.1 201 Created\r\nServer: x\r\n",
        b"HTTP/1.1 201",
        b"SMTP is not HTTP\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
    ],
    ids=[
        "truncated",
        "truncated chunk",
        "not gzip",
        "truncated header",
        "no end of headers",
        "truncated status",
        "not http",
        "only an interim response",
    ],
)
def test_an_unreadable_response_is_uncertain_for_a_write(serve: Serve, make: Make, response: bytes) -> None:
    assert error_types(read_and_write_failures(make(serve(lambda _: [response]).url))) == [Unavailable, Uncertain]


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_need_a_person(serve: Serve, make: Make, status: int) -> None:
    errors = read_and_write_failures(make(serve(lambda _: reply(status)).url))
    assert error_types(errors) == [AuthFailed, AuthFailed]
    assert str(errors[0]) == f"GET /orders: status {status}"


@pytest.mark.parametrize("status", [400, 409, 413, 422, 460])
def test_any_other_refusal_is_rejected(serve: Serve, make: Make, status: int) -> None:
    assert error_types(read_and_write_failures(make(serve(lambda _: reply(status)).url))) == [Rejected, Rejected]


def web_page(status: int) -> bytes:
    return reply(status, b"<h1>Blocked</h1>", content_type="text/html")


@pytest.mark.parametrize("status", [301, 302, 304, 307, 308, 404, 405, 410, 421])
def test_an_address_with_nothing_behind_it_is_not_the_fault_of_an_order(serve: Serve, make: Make, status: int) -> None:
    assert error_types(read_and_write_failures(make(serve(lambda _: reply(status)).url))) == [Misdirected, Misdirected]


def test_a_redirect_that_may_follow_a_write_is_uncertain(serve: Serve, make: Make) -> None:
    assert error_types(read_and_write_failures(make(serve(lambda _: reply(303)).url))) == [Misdirected, Uncertain]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 406])
@pytest.mark.parametrize("accepted", [frozenset[int](), frozenset({400, 403, 404, 406})])
def test_the_page_of_a_proxy_is_no_refusal(serve: Serve, make: Make, status: int, accepted: frozenset[int]) -> None:
    for answer in (web_page(status), reply(status, b" <!DOCTYPE html>")):
        client = make(serve(lambda _, answer=answer: answer).url)
        assert isinstance(failure_of(lambda: client.read("/orders", accept=accepted)), Misdirected)  # noqa: B023
        assert isinstance(
            failure_of(lambda: client.write("POST", "/orders", json={}, accept=accepted)),  # noqa: B023
            Misdirected,
        )


@pytest.mark.parametrize("status", [409, 413, 422])
def test_a_page_that_concerns_what_was_sent_is_rejected(serve: Serve, make: Make, status: int) -> None:
    errors = read_and_write_failures(make(serve(lambda _: web_page(status)).url))
    assert error_types(errors) == [Rejected, Rejected]


def test_a_refusal_keeps_the_field_errors_for_the_ledger(serve: Serve, make: Make) -> None:
    client = make(serve(lambda _: reply(422, b'{"errors": {"email": "hunter2 is no address"}}')).url)
    error = failure_of(lambda: write(client))
    assert isinstance(error, Rejected)
    assert error.fields == {"errors": {"email": "hunter2 is no address"}}


@pytest.mark.parametrize("body", [b"", b"<xml>", b"[1]", b"\xff", b"[" * 60_000, b'{"a":"' + b"x" * 70_000 + b'"}'])
def test_a_refusal_without_a_json_body_is_rejected(serve: Serve, make: Make, body: bytes) -> None:
    error = failure_of(lambda: write(make(serve(lambda _: reply(400, body)).url)))
    assert isinstance(error, Rejected)
    assert error.fields == {}


def test_the_status_of_a_refusal_decides_even_if_its_body_is_lost(serve: Serve, make: Make) -> None:
    client = make(serve(lambda _: [b"HTTP/1.1 400 Bad Request\r\nContent-Length: 9\r\n\r\n{"]).url)
    assert error_types(read_and_write_failures(client)) == [Rejected, Rejected]


@pytest.mark.parametrize("status", [408, 500, 502, 504, 599])
def test_a_broken_server_is_uncertain_for_a_write(serve: Serve, make: Make, status: int) -> None:
    gate = RecordingGate()
    assert error_types(read_and_write_failures(make(serve(lambda _: reply(status)).url, gate=gate))) == [
        Unavailable,
        Uncertain,
    ]
    assert gate.closed == []


@pytest.mark.parametrize(
    ("status", "headers", "delay"),
    [(503, {}, None), (503, {"retry_after": "20"}, 20.0), (500, {"retry_after": "9"}, 9.0)],
)
def test_an_unavailable_server_closes_the_gate(
    serve: Serve, make: Make, status: int, headers: dict[str, str], delay: float | None
) -> None:
    gate = RecordingGate()
    errors = read_and_write_failures(make(serve(lambda _: reply(status, b"{}", **headers)).url, gate=gate))
    assert error_types(errors) == [TargetDown, TargetDown]
    assert gate.closed == [delay, delay]
    assert delays(errors) == [(delay or 7.0, False), (delay or 7.0, True)]


def test_a_429_closes_the_gate_and_means_nothing_happened(serve: Serve, make: Make) -> None:
    gate = RecordingGate()
    errors = read_and_write_failures(make(serve(lambda _: reply(429, retry_after="3")).url, gate=gate))
    assert error_types(errors) == [RateLimited, RateLimited]
    assert gate.closed == [3.0, 3.0]
    assert delays(errors) == [(3.0, False), (3.0, False)]


def test_a_503_that_means_slow_down_may_have_written(serve: Serve, make: Make) -> None:
    gate = RecordingGate()
    client = make(serve(lambda _: reply(503)).url, gate=gate, throttle_statuses=frozenset({429, 503}))
    errors = read_and_write_failures(client)
    assert error_types(errors) == [RateLimited, RateLimited]
    assert gate.closed == [None, None]
    assert delays(errors) == [(7.0, False), (7.0, True)]


def test_the_gate_is_closed_before_a_dripping_refusal_has_ended(serve: Serve, make: Make) -> None:
    closed_at: list[float] = []

    class Watch(RecordingGate):
        def close(self, delay: float | None) -> float:
            closed_at.append(time.monotonic())
            return super().close(delay)

    def answer(_: Request) -> Iterable[bytes]:
        yield b"HTTP/1.1 429 Slow\r\nContent-Length: 900\r\n\r\n"
        yield from server.pieces(b"x" * 900, 0.05)

    server = serve(answer)
    began = time.monotonic()
    assert type(failure_of(lambda: write(make(server.url, gate=Watch(), deadline=1.5)))) is RateLimited
    assert closed_at[0] - began < 1.4
    assert time.monotonic() - began < 5


def test_statuses_that_the_adapter_accepts_are_returned(serve: Serve, make: Make) -> None:
    client = make(serve(lambda _: reply(460, b'{"a": 1}')).url)
    accept = frozenset({460})
    for response in (client.read("/x", accept=accept), client.write("PUT", "/x", accept=accept)):
        assert (response.status, response.json()) == (460, {"a": 1})


@pytest.mark.parametrize("status", [200, 201, 204])
def test_every_2xx_status_is_returned(serve: Serve, make: Make, status: int) -> None:
    client = make(serve(lambda _: reply(status, b"")).url)
    assert [read(client).status, write(client).status] == [status, status]


# Retry-After.

NOW = datetime(2025, 11, 21, 10, 0, tzinfo=UTC)


def date(seconds: float) -> str:
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "delay"),
    [
        ({"retry_after": "0"}, 0.0),
        ({"retry_after": "120"}, 120.0),
        ({"retry_after": "1.5"}, 1.5),
        ({"retry_after": "86400"}, 3600.0),
        ({"retry_after": "9" * 400}, 3600.0),
        ({"retry_after": date(90), "date": date(0)}, 90.0),
        ({"retry_after": date(-90), "date": date(0)}, 0.0),
        ({"retry_after": date(86400), "date": date(0)}, 3600.0),
        ({"retry_after": date(90).replace("GMT", "-0000"), "date": date(0)}, 90.0),
        ({"retry_after": date(90)}, 0.0),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "-5"}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "1e9"}, None),
        ({"retry_after": ""}, None),
        ({"retry_after": "Fri, 99 Nov 2025 10:00:00 GMT"}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(
    serve: Serve, make: Make, headers: dict[str, str], delay: float | None
) -> None:
    gate = RecordingGate()
    failure_of(lambda: write(make(serve(lambda _: reply(429, b"{}", **headers)).url, gate=gate)))
    assert gate.closed == [delay]


def test_retry_after_uses_our_clock_if_the_response_has_no_date(serve: Serve, make: Make) -> None:
    gate = RecordingGate()
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    failure_of(lambda: read(make(serve(lambda _: reply(503, retry_after=until)).url, gate=gate)))
    assert gate.closed[0] == pytest.approx(100, abs=3)
