"""A response that is read at once is read as `http.client` reads it, and only when it has arrived whole."""

from __future__ import annotations

import io
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.http.whole import Whole, whole

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAMES = st.sampled_from(["X-Id", "Retry-After", "Content-Type", "Set-Cookie", "Connection", "x-id"])
_VALUES = st.text("abc ,;=/\t\x85\xe9", max_size=9)
_HEADERS = st.lists(st.tuples(_NAMES, _VALUES), max_size=4)
_STATUSES = st.sampled_from([200, 201, 302, 404, 422, 500])


class _Socket:
    """What `http.client` needs of a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def slowly_read(data: bytes) -> tuple[int, dict[str, list[str]], bytes]:
    sock: Any = _Socket(data)
    response = HTTPResponse(sock, method="POST")
    response.begin()
    names = {name.lower() for name in response.msg}
    headers = {name: [value.strip(" \t") for value in response.msg.get_all(name, [])] for name in names}
    return response.status, headers, response.read()


def head(status: int, headers: Sequence[tuple[str, str]], *more: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in headers), *more]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


@st.composite
def usual_responses(draw: st.DrawFn) -> bytes:
    status, headers, body = draw(_STATUSES), draw(_HEADERS), draw(st.binary(max_size=40))
    if draw(st.booleans()):
        return head(status, headers, f"Content-Length: {len(body)}") + body
    parts = [body[at : at + 7] for at in range(0, len(body), 7)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return head(status, headers, "transfer-encoding: chunked") + chunks + b"0\r\n\r\n"


@given(usual_responses())
def test_a_usual_response_is_read_as_http_client_reads_it(data: bytes) -> None:
    response = whole(data)
    assert isinstance(response, Whole)
    status, headers, body = slowly_read(data)
    assert (response.status, response.length_remaining) == (status, len(body))
    assert dict(response.headers) == {name: ", ".join(values) for name, values in headers.items()}
    assert [response.read(3), response.read(), response.read()] == [body[:3], body[3:], b""]
    assert response.keeps_connection is not any("close" in text.lower() for text in headers.get("connection", []))


@given(usual_responses(), st.data())
def test_no_part_of_a_response_is_taken_for_all_of_it(data: bytes, draw: st.DataObject) -> None:
    end = draw.draw(st.integers(0, len(data) - 1))
    in_head = end < data.index(b"\r\n\r\n") + 4
    assert whole(data[:end]) == ("unusual" if in_head else "more")
    assert whole(data + b"H") == "unusual"


@given(st.binary(max_size=60), st.integers(0, 200), usual_responses())
def test_whatever_is_read_at_once_is_what_http_client_reads(noise: bytes, at: int, usual: bytes) -> None:
    data = usual[:at] + noise + usual[at + len(noise) :]
    response = whole(data)
    if isinstance(response, Whole):
        status, headers, body = slowly_read(data)
        assert (response.status, response.read()) == (status, body)
        assert dict(response.headers) == {name: ", ".join(values) for name, values in headers.items()}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: y\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Encoding: gzip\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n folded\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nNo colon\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 204 No Content\r\n\r\n{}",
    ],
)
def test_a_response_of_another_form_is_left_to_http_client(data: bytes) -> None:
    assert whole(data) == "unusual"


@pytest.mark.parametrize("status", [204, 304])
def test_a_response_without_a_body_is_whole(status: int) -> None:
    for more in ((), ("Content-Length: 50",), ("Transfer-Encoding: chunked",)):
        response = whole(head(status, [], *more))
        assert isinstance(response, Whole)
        assert (response.status, response.read()) == (status, b"")
