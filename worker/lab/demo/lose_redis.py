"""Loses an embedded Redis whole, on purpose: for a drill."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from redis import Redis


def flush(redis: Redis) -> None:
    """Delete every key, as somebody's FLUSHALL would."""
    redis.flushall()


def destroy(redis: Redis, data_dir: Path) -> None:
    """Kill the server of this directory, and delete what it wrote there, as a lost disk would; it is not restarted."""
    known: Any = redis.info("server")
    pid = int(known["process_id"])
    os.kill(pid, signal.SIGKILL)
    # Its supervisor starts it again in half a second at the soonest: what it then finds is an empty folder.
    with suppress(FileNotFoundError):
        shutil.rmtree(data_dir / "valkey")
    (data_dir / "valkey").mkdir(mode=0o700, parents=True, exist_ok=True)
