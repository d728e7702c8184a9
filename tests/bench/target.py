"""A target that costs next to nothing: answers like Dropday, counts what was created and when.

`python target.py` prints its port; `GET /` answers {"created": distinct orders, "requests": n, "seconds": n}, and
`GET /times` when each order came: {external id: seconds of the machine's monotonic clock}.
"""

from __future__ import annotations

import asyncio
import json
import re
import time

LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
ID = re.compile(rb'"external_id":\s*"([^"]+)"')


def answer(body: bytes) -> bytes:
    """A whole HTTP answer with a JSON body."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    return head + body


class Book:
    """What was created."""

    def __init__(self) -> None:
        self.ids: dict[bytes, int] = {}
        self.times: dict[str, float] = {}
        self.requests = 0
        self.first = self.last = 0.0

    def create(self, request: bytes) -> bytes:
        """Note one order; the same id again is answered as a double."""
        now = time.monotonic()
        self.first, self.last = self.first or now, now
        self.requests += 1
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
        told = {"created": len(self.ids), "requests": self.requests, "seconds": self.last - self.first}
        return answer(json.dumps(told).encode())


class Server(asyncio.Protocol):
    """One connection, kept open."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every whole request."""
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(self.buffer, 0, end)
            size = end + 4 + (int(length.group(1)) if length else 0)
            if len(self.buffer) < size:
                return
            request, self.buffer = self.buffer[:size], self.buffer[size:]
            self.transport.write(self.book.create(request) if request.startswith(b"POST") else self.book.tell(request))


async def serve() -> None:
    """Serve until killed."""
    book = Book()
    server = await asyncio.get_running_loop().create_server(lambda: Server(book), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
