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


def answer(body: bytes, status: bytes = b"200 OK") -> bytes:
    """A whole HTTP answer with a JSON body."""
    head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
    return head + body


class Book:
    """What was created."""

    def __init__(self) -> None:
        self.ids: dict[bytes, int] = {}
        self.times: dict[str, float] = {}
        self.hits: list[tuple[float, int, str]] = []
        self.taken = 0.0

    def strict(self, path: str) -> bytes:
        """One request behind the limit."""
        now = time.time()
        refused = now - self.taken < WINDOW
        self.hits.append((now, 503 if refused else 200, path))
        if refused:
            return answer(b"{}", b"503 Service Unavailable")
        self.taken = now
        return answer(b'{"ok":true}')

    def create(self, request: bytes, path: str) -> bytes:
        """Note one order; the same id again is answered as a double."""
        now = time.monotonic()
        self.hits.append((time.time(), 200, path))
        found = ID.search(request)
        external_id = found.group(1) if found else b""
        if external_id in self.ids:
            return answer(b'{"message":"Order already exists"}')
        self.ids[external_id] = number = len(self.ids) + 1
        self.times[external_id.decode()] = now
        return answer(b'{"message":"Order created","reference":%d}' % number)

    def tell(self, request: bytes) -> bytes:
        """What was counted so far."""
        if request.startswith(b"GET /times"):
            return answer(json.dumps(self.times).encode())
        if request.startswith(b"GET /hits"):
            return answer(json.dumps(self.hits).encode())
        told = {"created": len(self.ids), "requests": len(self.hits)}
        return answer(json.dumps(told).encode())

    def reply(self, request: bytes) -> bytes:
        """What one request is answered."""
        path = request.split(b" ", 2)[1].decode()
        if path.startswith("/strict/"):
            return self.strict(path)
        return self.create(request, path) if request.startswith(b"POST") else self.tell(request)


class Server(asyncio.Protocol):
    """One connection, kept open."""

    def __init__(self, reply: Callable[[bytes], bytes]) -> None:
        self.reply = reply
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer every whole request."""
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
