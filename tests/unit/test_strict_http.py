"""A request that two programs may read differently is refused, and so is a head that is too large."""

from __future__ import annotations

import h11
import pytest

from worker.inbox.receiver.strict import StrictConnection

MOST = 16 * 1024
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
#: Requests of which a proxy and h11 may find different ends, or whose head costs more than it is worth.
REFUSED = {
    "two lengths of one body": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "turned round": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: x\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two different lengths": POST + b"Content-Length: 4\r\nContent-Length: 40\r\n\r\nabcd",
    "a length in a list": POST + b"Content-Length: 4, 40\r\n\r\nabcd",
    "a signed length": POST + b"Content-Length: +4\r\n\r\nabcd",
    "a negative length": POST + b"Content-Length: -4\r\n\r\nabcd",
    "a length of 5,000 digits": POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "an unknown encoding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "two encodings": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "a blank before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a lone carriage return": b"GET / HTTP/1.1\r\nHost: x\r\nX: a\rContent-Length: 4\r\n\r\n",
    "a null character": b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/3.3": b"GET / HTTP/3.3\r\nHost: x\r\n\r\n",
    "a header of 100 kB": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    "a path of 100 kB": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "5,000 headers": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * 5000 + b"\r\n",
    "a head that never ends": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40_000,
}
ACCEPTED = {
    "nothing special": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a body": POST + b"Content-Length: 4\r\n\r\nabcd",
    "chunks": POST + b"Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n",
    "HTTP/1.0": b"GET / HTTP/1.0\r\nHost: x\r\n\r\n",
    "the headers of a browser and a proxy": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Name: a value\r\n" * 60 + b"\r\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_may_be_read_in_two_ways_is_refused(name: str) -> None:
    connection = StrictConnection(MOST)
    connection.receive_data(REFUSED[name])
    with pytest.raises(h11.RemoteProtocolError):
        connection.next_event()
    assert connection.their_state is h11.ERROR
    with pytest.raises(h11.RemoteProtocolError):
        connection.next_event()  # and nothing after it is read


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_browsers_and_proxies_send_is_accepted(name: str) -> None:
    connection = StrictConnection(MOST)
    connection.receive_data(ACCEPTED[name])
    assert isinstance(connection.next_event(), h11.Request)
    body = b""
    while isinstance(event := connection.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert body in {b"", b"abcd"}
