"""A target that costs next to nothing: it responds like Dropday and records which orders were created and when.

`python -m bench.programs.target` prints its port.

- `GET /` returns {"created": distinct orders, "requests": n}.
- `GET /times` returns {external id: arrival on the machine's monotonic clock, in seconds}.
- `GET /hits` returns [[Unix seconds, status, path], ...] of all other requests.
- Paths below `/strict/` refuse a request that arrives less than 100 ms after the last accepted one.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
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

    def __init__(self) -> None:
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
        counts = {"created": len(self.ids), "requests": len(self.hits)}
        return response(json.dumps(counts).encode())

    def reply(self, request: bytes) -> bytes:
        """Return the response to a request."""
        path = request.split(b" ", 2)[1].decode()
        if path.startswith("/strict/"):
            return self.strict(path)
        return self.create(request, path) if request.startswith(b"POST") else self.report(request)


class Server(asyncio.Protocol):
    """A persistent connection."""

    def __init__(self, reply: Callable[[bytes], bytes]) -> None:
        self.reply = reply
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
            self.transport.write(self.reply(request))


async def serve() -> None:
    """Serve until killed."""
    book = Book()
    server = await asyncio.get_running_loop().create_server(lambda: Server(book.reply), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
