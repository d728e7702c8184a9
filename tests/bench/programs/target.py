"""A target that costs next to nothing: it responds like Dropday and records which orders were created and when.

`python -m bench.programs.target` prints its port. With `LATENCY JITTER LIMIT` each POST is answered after LATENCY
seconds, and up to JITTER more; with a LIMIT above 0, one that follows LIMIT accepted ones within a second is refused.

- `GET /` returns {"created": distinct orders, "requests": n, "together": the most POSTs under way at once}.
- `GET /times` returns {external id: arrival on the machine's monotonic clock, in seconds}.
- `GET /hits` returns [[Unix seconds, status, path], ...] of all other requests.
- Paths below `/strict/` refuse a request that arrives less than 100 ms after the last accepted one.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable

LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
ID = re.compile(rb'"external_id":\s*"([^"]+)"')


#: Seconds between two requests behind `/strict/`.
WINDOW = 0.1


def response(body: bytes, status: bytes = b"200 OK") -> bytes:
    """Return a complete HTTP response with a JSON body."""
    head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
    return head + body


class Book:
    """The requests and the created orders."""

    def __init__(self, limit: int = 0) -> None:
        self._limit, self._accepted = limit, deque[float](maxlen=limit)
        self.together = 0
        self.ids: dict[bytes, int] = {}
        self.times: dict[str, float] = {}
        self.hits: list[tuple[float, int, str]] = []
        self.accepted_at = 0.0

    def strict(self, path: str) -> bytes:
        """Respond to a request behind the limit."""
        now = time.time()
        refused = now - self.accepted_at < WINDOW
        self.hits.append((now, 503 if refused else 200, path))
        if refused:
            return response(b"{}", b"503 Service Unavailable")
        self.accepted_at = now
        return response(b'{"ok":true}')

    def create(self, request: bytes, path: str) -> bytes:
        """Record an order, and respond to a known id as to a duplicate."""
        now = time.monotonic()
        if self._limit:
            if len(self._accepted) == self._limit and now - self._accepted[0] < 1.0:
                self.hits.append((time.time(), 429, path))
                return response(b"{}", b"429 Too Many Requests")
            self._accepted.append(now)
        self.hits.append((time.time(), 200, path))
        match = ID.search(request)
        external_id = match.group(1) if match else b""
        if external_id in self.ids:
            return response(b'{"message":"Order already exists"}')
        self.ids[external_id] = number = len(self.ids) + 1
        self.times[external_id.decode()] = now
        return response(b'{"message":"Order created","reference":%d}' % number)

    def report(self, request: bytes) -> bytes:
        """Respond with the counters, the times or the requests."""
        if request.startswith(b"GET /times"):
            return response(json.dumps(self.times).encode())
        if request.startswith(b"GET /hits"):
            return response(json.dumps(self.hits).encode())
        counts = {"created": len(self.ids), "requests": len(self.hits), "together": self.together}
        return response(json.dumps(counts).encode())

    def reply(self, request: bytes) -> bytes:
        """Return the response to a request."""
        path = request.split(b" ", 2)[1].decode()
        if path.startswith("/strict/"):
            return self.strict(path)
        return self.create(request, path) if request.startswith(b"POST") else self.report(request)


class Server(asyncio.Protocol):
    """A persistent connection; `delay` returns the seconds after which a request is answered."""

    def __init__(self, reply: Callable[[bytes], bytes], delay: Callable[[bytes], float] = lambda _: 0.0) -> None:
        self.reply, self.delay = reply, delay
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for the responses."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Respond to every complete request."""
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(self.buffer, 0, end)
            size = end + 4 + (int(length.group(1)) if length else 0)
            if len(self.buffer) < size:
                return
            request, self.buffer = self.buffer[:size], self.buffer[size:]
            answer, seconds = self.reply(request), self.delay(request)
            if seconds:
                asyncio.get_running_loop().call_later(seconds, self.transport.write, answer)
            else:
                self.transport.write(answer)


class Distance:
    """The way to this server: how long a POST takes, and how many are under way."""

    def __init__(self, book: Book, latency: float, jitter: float) -> None:
        self._book, self._latency, self._jitter, self._now = book, latency, jitter, 0

    def delay(self, request: bytes) -> float:
        """Return the seconds after which a request is answered; only a POST takes any."""
        if not self._latency or not request.startswith(b"POST"):
            return 0.0
        seconds = self._latency + random.uniform(0, self._jitter)
        self._now += 1
        self._book.together = max(self._book.together, self._now)
        asyncio.get_running_loop().call_later(seconds, self._arrive)
        return seconds

    def _arrive(self) -> None:
        self._now -= 1


async def serve(latency: float = 0.0, jitter: float = 0.0, limit: float = 0.0) -> None:
    """Serve until killed."""
    book = Book(int(limit))
    distance = Distance(book, latency, jitter)
    server = await asyncio.get_running_loop().create_server(lambda: Server(book.reply, distance.delay), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(*map(float, sys.argv[1:])))
