"""A free port on loopback."""

from __future__ import annotations

import socket


def free_port() -> int:
    """Return a port chosen by the system, so that concurrent tests get different ports."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
