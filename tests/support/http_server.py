"""A threaded HTTP server: the test chooses every byte of a response, and when it is sent."""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Reset(Exception):
    """Raised by an answerer to end the connection with a TCP reset."""


class Close(Exception):
    """Raised by an answerer to close the connection without a response."""


#: Bytes are one response, after which the connection stays open. Pieces are sent one by one; then it is closed.
Answerer = Callable[[Request], bytes | Iterable[bytes]]


def reply(status: int = 200, body: bytes = b"{}", **headers: str) -> bytes:
    """Return one complete response; `retry_after="5"` becomes the header Retry-After."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def read_request(stream: BinaryIO) -> Request | None:
    line = stream.readline().decode("latin-1").split()
    if not line:
        return None
    headers = {}
    while text := stream.readline().decode("latin-1").strip():
        name, _, value = text.partition(":")
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", 0)))
    return Request(line[0], line[1], headers, body)


class Server:
    """A server on loopback that records its `requests` and the number of its `connections`."""

    def __init__(self, answer: Answerer, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.closing = threading.Event()
        self._answer, self._tls = answer, tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._listen)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def drop_connections(self) -> None:
        """Close the open connections, as a server does with idle ones."""
        for sock in self._open:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop_connections()
        for thread in self._threads:
            thread.join(5)
        for sock in self._open:
            sock.close()

    def pieces(self, data: bytes, every: float, size: int = 1) -> Iterable[bytes]:
        """Yield `size` bytes every `every` seconds."""
        for start in range(0, len(data), size):
            if self.closing.wait(every):
                return
            yield data[start : start + size]

    def _listen(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock, len(self._open) - 1))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, index: int) -> None:
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                self._open[index] = sock = self._tls.wrap_socket(sock, server_side=True)
            with sock.makefile("rb") as stream:
                self._answer_all(sock, stream)
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _answer_all(self, sock: socket.socket, stream: BinaryIO) -> None:
        while request := read_request(stream):
            self.requests.append(request)
            try:
                answer = self._answer(request)
                if isinstance(answer, bytes):
                    sock.sendall(answer)
                    continue
                for piece in answer:
                    sock.sendall(piece)
            except Reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                stream.close()
                sock.close()
            except Close:
                pass
            return


def tunnel(client: socket.socket, target: tuple[str, int]) -> None:
    """Copy bytes between `client` and `target` until one of them ends."""
    with socket.create_connection(target) as other:
        while True:
            for sock in select.select([client, other], [], [])[0]:
                data = sock.recv(65536)
                if not data:
                    return
                (other if sock is client else client).sendall(data)
