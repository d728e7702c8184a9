"""Liveness files: how the processes of this host show, without Redis, that they make progress."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from worker.process.systemd import watch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Most seconds that one turn of a loop may take: more than any wait for Redis in it.
TURN: Final = 60.0
#: The processes that have such a file.
ROLES: Final = ("worker", "upkeep", "listen", "flower")


def liveness_folder(data_dir: Path) -> Path:
    """Return the folder of the liveness files of this host."""
    return data_dir / "alive"


class LivenessFile:
    """A file that a process keeps locked while it lives, and writes to while its loop turns.

    The lock (POSIX: not shared with children) ends with the process, however the process ends. So nothing needs to be
    cleaned up, and a reused process id is not mistaken for the old process. A folder that cannot be written is ignored.
    """

    def __init__(self, folder: Path, role: str) -> None:
        self._file = -1
        self._turned, self._waits = time.monotonic(), True
        watch(self.is_well)
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(folder / f"{role}-{os.getpid()}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def tick(self) -> None:
        """Record that the loop turned just now."""
        self._turned, self._waits = time.monotonic(), False
        self._write("turns")

    def wait(self) -> None:
        """Record that the process waits for Redis until the next tick, and is well meanwhile."""
        self._waits = True
        self._write("waits")

    def is_well(self) -> bool:
        """Return whether the process waits for Redis, or its loop turned within `TURN` seconds."""
        return self._waits or time.monotonic() - self._turned < TURN

    def _write(self, state: str) -> None:
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.pwrite(self._file, f"{state} {time.monotonic():.3f}\n".ljust(40).encode(), 0)

    def close(self) -> None:
        """Release the file, because the process ends."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


@dataclass(frozen=True, slots=True)
class Liveness:
    """A living process: its role, whether it waits for Redis, and the seconds since its loop last turned."""

    role: str
    waits: bool
    age: float


def read_liveness(folder: Path) -> Iterator[Liveness]:
    """Yield every living process of this host, and delete the files of dead ones."""
    for path in sorted(folder.glob("*-*")) if folder.is_dir() else ():
        with contextlib.suppress(OSError, ValueError), path.open("r+") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                state, at = file.read().split()
                yield Liveness(path.name.rpartition("-")[0], state == "waits", time.monotonic() - float(at))
            else:
                path.unlink()
