"""A cheap HTTP server that can cut a connection instead of responding."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass

_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
Answer = Callable[[str, str, bytes], "Reply"]


@dataclass
class Reply:
    """One response; with status 0 the connection is cut instead."""

    status: int
    body: bytes = b""
    kind: str = "application/json"
    #: The value of the Retry-After header.
    wait: str = ""
    delay: float = 0.0

    def raw(self) -> bytes:
        head = f"HTTP/1.1 {self.status} -\r\nContent-Type: {self.kind}\r\nContent-Length: {len(self.body)}\r\n"
        if self.wait:
            head += f"Retry-After: {self.wait}\r\n"
        return f"{head}\r\n".encode() + self.body


class _Connection(asyncio.Protocol):
    def __init__(self, answer: Answer) -> None:
        self.answer, self.buffer = answer, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self.buffer, 0, end)
            size = end + 4 + (int(length.group(1)) if length else 0)
            if len(self.buffer) < size:
                return
            request, self.buffer = self.buffer[:size], self.buffer[size:]
            method, target, _ = request[: request.index(b"\r\n")].decode().split(" ", 2)
            self._reply(self.answer(method, target, request[end + 4 :]))

    def _reply(self, reply: Reply) -> None:
        if reply.delay:
            asyncio.get_running_loop().call_later(reply.delay, self._write, reply)
        else:
            self._write(reply)

    def _write(self, reply: Reply) -> None:
        if reply.status == 0:
            self.transport.abort()
        elif not self.transport.is_closing():
            self.transport.write(reply.raw())


async def _serve(answer: Answer, port: int) -> None:
    # Listen on all of loopback: each account has its own address.
    with socket.create_server(("0.0.0.0", port)) as listener:
        server = await asyncio.get_running_loop().create_server(lambda: _Connection(answer), sock=listener)
        print(listener.getsockname()[1], flush=True)
        await server.serve_forever()


def serve(answer: Answer, port: int = 0) -> None:
    """Print the port (0: any free one) and serve until killed."""
    asyncio.run(_serve(answer, port))
