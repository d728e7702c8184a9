"""The output of a supervisor: a terminal or a pipe that nobody reads stops neither the supervisor nor its programs."""

from __future__ import annotations

import os
import queue
import select
import sys
import threading
from typing import Final

from worker.cli.terminal import escape

#: Lines that wait for whoever reads them. More are dropped and counted.
_MOST: Final = 10_000
#: Seconds that the last lines have when the supervisor ends.
_LAST: Final = 2.0


class Output:
    """Write lines to standard error, in a thread: only that waits for the reader."""

    def __init__(self) -> None:
        self._lines: queue.Queue[str | None] = queue.Queue(_MOST)
        self._dropped = 0
        # The file descriptor, because an exit of Python waits for a thread that writes to the stream.
        self._file = sys.stderr.fileno()
        self.terminal, self._encoding = sys.stderr.isatty(), sys.stderr.encoding
        self._thread = threading.Thread(target=self._write_all, name="output", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Write the line when those before it are written; drop it if too many are not."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._dropped += 1

    def close(self) -> None:
        """Write the remaining lines, as far as somebody reads them now."""
        try:
            self._lines.put(None, timeout=_LAST)
        except queue.Full:
            return
        self._thread.join(_LAST)

    def _write_all(self) -> None:
        while (line := self._lines.get()) is not None:
            self._write(line)
            if self._dropped and self._lines.qsize() < _MOST // 2:
                dropped, self._dropped = self._dropped, 0
                self._write(f"up | {dropped} lines dropped: the output was not read")

    def _write(self, line: str) -> None:
        rest = f"{escape(line, terminal=self.terminal)}\n".encode(self._encoding, "backslashreplace")
        while rest:
            try:
                rest = rest[os.write(self._file, rest) :]
            except BlockingIOError:
                select.select([], [self._file], [])
            except OSError:
                return  # the terminal or the reader is gone: a program blocks on a pipe that is not emptied
