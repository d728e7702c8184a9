"""Lose all data of an embedded Redis on purpose, for a drill."""

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
    """Delete every key, as FLUSHALL by an operator would."""
    redis.flushall()


def destroy(redis: Redis, data_dir: Path) -> None:
    """Kill the server of this directory and delete its data, as the loss of a disk would; do not restart it."""
    info: Any = redis.info("server")
    pid = int(info["process_id"])
    os.kill(pid, signal.SIGKILL)
    # The supervisor restarts it after 0.5 s at the earliest, when the folder is empty.
    with suppress(FileNotFoundError):
        shutil.rmtree(data_dir / "valkey")
    (data_dir / "valkey").mkdir(mode=0o700, parents=True, exist_ok=True)
