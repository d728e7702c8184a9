"""The process: a socket, a server on it, an orderly end."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING, Final

import uvicorn

from worker.errors import ConfigError
from worker.inbox.receiver.timeout import TimeoutProtocol

if TYPE_CHECKING:
    from starlette.applications import Starlette

#: Seconds that Redis may take to answer, at the most.
_PUSH: Final = 10


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens there; raises ConfigError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named: asyncio sends answers without delay (TCP_NODELAY) only where it sees that it is TCP.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(512)
    except OSError as error:
        listening.close()
        reason = (error.strerror or type(error).__name__).lower()
        raise ConfigError(f"{host}:{port}", "--port", reason, "Name another address by --host and --port.") from None
    return listening


def serve(app: Starlette, listening: socket.socket, seconds: float) -> None:
    """Serve until SIGTERM or SIGINT; the requests that are under way then are answered. A sender has `seconds`."""
    patient = type("Patient", (TimeoutProtocol,), {"seconds": seconds})
    config = uvicorn.Config(
        app,
        http=patient,
        ws="none",
        lifespan="off",
        loop="asyncio",
        interface="asgi3",
        # Its lines would hold the path, and with it a secret.
        access_log=False,
        log_config=None,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=int(seconds) + _PUSH,
    )
    # It raises the signal again when it is done: then the end was orderly, and is not a death.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    uvicorn.Server(config).run(sockets=[listening])
