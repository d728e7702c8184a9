"""The witness of a script's caller: its own clock, which tells a step of Redis' clock from time that has passed."""

from __future__ import annotations

import socket
from functools import cache
from pathlib import Path
from typing import Final

from worker.store.redis.heartbeat import uptime

CLOCK: Final = "intake:clock"


@cache
def _host() -> str:
    """Return a name of this host that changes when it is started again."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return socket.gethostname()


def witness() -> str:
    """Return the last key of every script: this host and its own clock, which never steps."""
    return f"{CLOCK}:{_host()}:{int(uptime() * 1e6)}"
