"""The server process of the receiver: its socket, its settings, and an orderly end."""

from __future__ import annotations

import resource
import signal
import socket
from typing import TYPE_CHECKING, Final

import uvicorn

from worker.errors import ConfigError
from worker.inbox.receiver.crowd import Crowd
from worker.inbox.receiver.strict import HEAD
from worker.inbox.receiver.timeout import TimeoutProtocol

if TYPE_CHECKING:
    from starlette.applications import Starlette

#: Most seconds to wait for Redis when the server stops.
_PUSH: Final = 10
#: Most connections of senders that have proved nothing. A further one makes the oldest go: see `Crowd`.
_CONNECTIONS: Final = 2000
#: Most connections that are accepted at once: the requests of others are served between them.
_ACCEPTED: Final = 32
#: Open files that are wanted: each connection is one.
_FILES: Final = 2 * _CONNECTIONS


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens on this address. Raise ConfigError if that is not possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio sends without delay (TCP_NODELAY) only if it can see that this is TCP.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_CONNECTIONS)
    except OSError as error:
        listening.close()
        reason = (error.strerror or type(error).__name__).lower()
        raise ConfigError(f"{host}:{port}", "--port", reason, "Name another address with --host and --port.") from None
    return listening


def serve(app: Starlette, listening: socket.socket, seconds: float) -> None:
    """Serve until SIGTERM or SIGINT, then finish the running requests. A sender has `seconds` to send a request."""
    descriptors = _descriptors()
    crowd = Crowd(min(_CONNECTIONS, descriptors // 2))
    protocol = type("Protocol", (TimeoutProtocol,), {"seconds": seconds, "crowd": crowd})
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        loop="asyncio",
        interface="asgi3",
        # Its lines would hold the path, which may hold a secret.
        access_log=False,
        backlog=_ACCEPTED,
        h11_max_incomplete_event_size=HEAD,
        log_config=None,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=int(seconds) + _PUSH,
    )
    # uvicorn raises the signal again when it has stopped in order: that must not end this process.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    _Server(config).run(sockets=[listening])


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections; any number of them may wait, though few are accepted at once."""
        await super().startup(sockets)
        for listening in sockets or ():
            listening.listen(_CONNECTIONS)


def _descriptors() -> int:
    """Return how many files this process may open, after raising the number as far as it is needed and allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return _FILES if soft == resource.RLIM_INFINITY else soft
