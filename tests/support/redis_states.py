"""A server that speaks the protocol of Redis and answers with one error, or is no Redis at all."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: What a server does on a connection.
Behaviour = "Callable[[socket.socket], None]"
_HELLO: Final = b"%1\r\n$5\r\nproto\r\n:3\r\n"


def always(error: str) -> Callable[[socket.socket], None]:
    """Answer every command with this error, but the greeting of the client."""

    def behave(connection: socket.socket) -> None:
        while data := connection.recv(65536):
            # A pipeline has one answer for each command in it.
            commands = data.count(b"\r\n*") + 1
            greets = b"HELLO" in data.upper()
            connection.sendall(_HELLO if greets else f"-{error}\r\n".encode() * commands)

    return behave


def says(text: bytes) -> Callable[[socket.socket], None]:
    """Answer the first data with this text, and close."""

    def behave(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(text)

    return behave


def silent(connection: socket.socket) -> None:
    """Read everything, and never answer."""
    while connection.recv(65536):
        pass


def closing(connection: socket.socket) -> None:
    """Close each connection after its first command."""
    connection.recv(65536)


@contextlib.contextmanager
def serving(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """Run the server; yield its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def handle(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            behave(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=handle, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        # Closing alone does not wake the thread that accepts.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
