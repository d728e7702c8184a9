"""A free port of loopback."""

from __future__ import annotations

import socket


def free_port() -> int:
    """Return a port that the system chooses: tests that run at the same moment get different ones."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
