"""Reload: how a running process is asked to take over a changed `intake.toml`, and how it replies.

Each process has a file `ROLE-PID` in a folder of its host, and keeps it locked while it lives. A command writes `asked`
into it and sends SIGHUP; the process writes `checking` over that, and then its reply.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: asked → checking → refused (nothing was changed) | accepted (it ends its work) → done (it runs with the new file).
State = Literal["", "asked", "checking", "refused", "accepted", "done"]
_SIZE: Final = 16_384


def reload_folder(data_dir: Path) -> Path:
    """Return the folder of the processes of this host that can be asked."""
    return data_dir / "reload"


class Mailbox:
    """The file of this process. A folder that cannot be written is ignored: then only a signal can ask."""

    def __init__(self, folder: Path, role: str) -> None:
        self._file = -1
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(folder / f"{role}-{os.getpid()}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # After a replacement of the process by itself, the file is still there.
        self.reply("done" if self._read() == "accepted" else "")

    def is_asked(self) -> bool:
        """Return whether a command asked, and the check of the file has not begun since."""
        return self._read() == "asked"

    def is_waited_for(self) -> bool:
        """Return whether a command waits for the reply: a signal that arrives now is from it."""
        return self._read() in {"asked", "checking"}

    def reply(self, state: State, reason: str = "") -> None:
        """Write the state, and the reason of a refusal."""
        if self._file >= 0:
            with contextlib.suppress(OSError):
                text = f"{state}\n{reason}".encode()[:_SIZE]
                os.pwrite(self._file, text, 0)
                os.ftruncate(self._file, len(text))  # at no moment is the file without a state

    def _read(self) -> str:
        if self._file < 0:
            return ""
        return os.pread(self._file, _SIZE, 0).decode(errors="replace").partition("\n")[0]


@dataclass(frozen=True, slots=True)
class Running:
    """A running process of this host."""

    path: Path

    @property
    def role(self) -> str:
        """What the process does: "up", "worker", …."""
        return self.path.name.rpartition("-")[0]

    @property
    def pid(self) -> int:
        """The id of the process."""
        return int(self.path.name.rpartition("-")[2])

    def ask(self) -> None:
        """Ask the process to take over the file. Raise OSError if this user may not."""
        self.path.write_text("asked\n")
        self.remind()

    def remind(self) -> None:
        """Send the signal; the process may have ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGHUP)

    def reply(self) -> tuple[str, str]:
        """Return the state and the reason."""
        try:
            state, _, reason = self.path.read_text(errors="replace").partition("\n")
        except FileNotFoundError:
            return "", ""
        return state, reason

    def is_alive(self) -> bool:
        """Return whether the process lives: it keeps its file locked."""
        with contextlib.suppress(OSError), self.path.open("r+") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def has_ended(self) -> bool:
        """Return whether there is no such process any more; one that replaces itself keeps its id."""
        try:
            os.kill(self.pid, 0)
        except OSError as error:  # it may be another user's
            return isinstance(error, ProcessLookupError)
        return False


def read_running(folder: Path) -> Iterator[Running]:
    """Yield every running process of this host, and delete the files of those that ended."""
    for path in sorted(folder.glob("*-*")) if folder.is_dir() else ():
        running = Running(path)
        if running.is_alive():
            yield running
        else:
            with contextlib.suppress(OSError):
                path.unlink()
