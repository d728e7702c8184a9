"""Signs of life of processes on this host: files that know nothing of Redis."""

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

#: Seconds that a loop may take for one turn: longer than any wait for Redis in it.
TURN: Final = 60.0


class LivenessFile:
    """A file that a process holds locked for as long as it lives, and writes to as long as its loop turns.

    The lock (POSIX: not shared with children) ends with the process, whatever end it has, so nothing has to be cleaned
    up and no number of a process is taken for another's. A folder that cannot be written is no reason not to work.
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
        """The loop turns."""
        self._turned, self._waits = time.monotonic(), False
        self._write("turns")

    def wait(self) -> None:
        """Until the next tick it waits for Redis: that is not its fault."""
        self._waits = True
        self._write("waits")

    def is_well(self) -> bool:
        """Whether it waits for Redis, or its loop turned a moment ago."""
        return self._waits or time.monotonic() - self._turned < TURN

    def _write(self, state: str) -> None:
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.pwrite(self._file, f"{state} {time.monotonic():.3f}\n".ljust(40).encode(), 0)

    def close(self) -> None:
        """It ends in order."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


@dataclass(frozen=True, slots=True)
class Liveness:
    """A process that is alive: the part it plays, whether it waits for Redis, seconds since its loop turned."""

    role: str
    waits: bool
    age: float


def read_liveness(folder: Path) -> Iterator[Liveness]:
    """All processes of this host that are alive; the files of dead ones are taken away."""
    for path in sorted(folder.glob("*-*")) if folder.is_dir() else ():
        with contextlib.suppress(OSError, ValueError), path.open("r+") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                state, at = file.read().split()
                yield Liveness(path.name.rpartition("-")[0], state == "waits", time.monotonic() - float(at))
            else:
                path.unlink()
