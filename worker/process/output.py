"""Standard output and standard error of a process that must not wait for whoever reads them."""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import select
import socket
import stat
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from worker.process.escapes import ESCAPED

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import ReadableBuffer

#: Bytes that wait in memory for a slow reader, about a thousand lines. Lines beyond them are dropped.
MOST: Final = 256 * 1024
#: Bytes to write at once: a pipe takes so many wholly or not at all, so that no line of another process splits them.
_CHUNK: Final = select.PIPE_BUF
#: Seconds without progress after which a process that ends gives up what still waits, and the most seconds in all.
PATIENCE, LONGEST = 1.0, 5.0


def _plain_report(count: int) -> str:
    return f"log.dropped count={count}\n"


#: Returns the line that reports how many lines were dropped, once writing works again.
_report: list[Callable[[int], str]] = [_plain_report]


def report_dropped_with(report: Callable[[int], str]) -> None:
    """Let `report(count)` return the line that says how many lines were dropped."""
    _report[0] = report


class Output(io.RawIOBase):
    """A file descriptor that is written to without waiting.

    What the descriptor takes is written at once, so that it is out even if the process is killed. The rest waits in
    memory for a thread. What finds no room there, and what cannot be written (a full disk, a closed pipe), is dropped,
    counted, and reported once writing works again. The flags of the descriptor, which other processes may share, stay
    as they are.
    """

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd
        self.reopen()
        atexit.register(self.finish)
        os.register_at_fork(after_in_child=self._reset)

    def reopen(self) -> None:
        """Write to the file that the descriptor is now."""
        self._tty = os.isatty(self._fd)
        #: Without `_poll`, `_send` may wait: then only the thread calls it.
        self._send, self._own, self._poll = _sender(self._fd)
        self._torn = False
        self._reset()

    def _reset(self) -> None:
        """Begin without anything waiting: after a fork, that is left to the parent, whose thread the child lacks."""
        self._changed = threading.Condition(threading.RLock())
        self._waiting: deque[bytes] = deque()
        self._size, self._dropped = 0, 0
        self._busy, self._thread = False, False

    def writable(self) -> bool:
        """Return True."""
        return True

    def isatty(self) -> bool:
        """Return whether a terminal shows the output."""
        return self._tty

    def fileno(self) -> int:
        """Return a descriptor that never makes its writer wait, for a library that writes to it directly."""
        return self._own

    def write(self, data: ReadableBuffer, /) -> int:
        """Write the data now or later, or drop it. Never wait, and never raise for what the descriptor does."""
        whole = bytes(data)
        with self._changed:
            if self._size + len(whole) > MOST:
                self._dropped += _count_lines(whole)
                return len(whole)
            lost, self._dropped = self._dropped, 0
            rest = self._report(lost) + whole
            if not self._busy and self._poll:
                rest, failed = self._push(rest)
                self._dropped += (lost + _count_lines(whole)) if failed else 0
            if rest:
                self._keep(rest)
        return len(whole)

    @staticmethod
    def _report(lost: int) -> bytes:
        return _report[0](lost).encode(errors="backslashreplace") if lost else b""

    def _push(self, data: bytes) -> tuple[bytes, bool]:
        """Send what the descriptor takes; return the rest, and whether it refused the data for good."""
        rest = b"\n" + data if self._torn else data
        whole = len(rest)
        try:
            while rest:
                rest = rest[self._send(rest) :]
        except BlockingIOError:
            pass
        except OSError:
            # A line that was written in part is ended before the next one.
            self._torn = self._torn or 0 < len(rest) < whole
            return b"", True
        self._torn = False
        return rest, False

    def _keep(self, data: bytes) -> None:
        self._waiting.append(data)
        self._size += len(data)
        self._busy = True
        self._changed.notify_all()
        if not self._thread:
            try:
                threading.Thread(target=self._write_waiting, name="output", daemon=True).start()
                self._thread = True
            except RuntimeError:  # the interpreter ends
                self._dropped += _count_lines(b"".join(self._waiting))
                self._waiting.clear()
                self._size, self._busy = 0, False

    def _write_waiting(self) -> None:
        """Write what waits, as fast as the descriptor takes it."""
        failed = False
        while True:
            chunk = self._take(report=not failed)
            if self._poll:
                self._poll.poll()
            rest, failed = self._push(chunk)
            with self._changed:
                self._size += len(rest) - len(chunk)
                if rest:
                    self._waiting.appendleft(rest)
                if failed:
                    self._dropped += _count_lines(chunk)
            if rest == chunk:
                time.sleep(0.01)

    def _take(self, *, report: bool) -> bytes:
        """Wait for something to write, and return it. With `report`, this includes how many lines were dropped."""
        with self._changed:
            while not self._waiting:
                if self._dropped and self._busy and report:
                    line = self._report(self._dropped)
                    self._size, self._dropped = self._size + len(line), 0
                    return line
                self._busy = False
                self._changed.notify_all()
                self._changed.wait()
            chunk = self._waiting.popleft()
            while self._waiting and len(chunk) + len(self._waiting[0]) <= _CHUNK:
                chunk += self._waiting.popleft()
            return chunk

    def finish(self) -> None:
        """Let what waits be written, while its reader reads: before the process ends."""
        end = time.monotonic() + LONGEST
        with self._changed:
            while self._busy and time.monotonic() < end:
                before = self._size
                self._changed.wait(PATIENCE)
                if self._busy and self._size >= before:
                    return


def _count_lines(data: bytes) -> int:
    return max(1, data.count(b"\n"))


def _sender(fd: int) -> tuple[Callable[[bytes], int], int, select.poll | None]:
    """Return how to write to the descriptor, one that never makes its writer wait, and what waits for room.

    Without the third, writing to the descriptor may wait.
    """
    mode = os.fstat(fd).st_mode
    poll = select.poll()
    if stat.S_ISREG(mode):
        poll.register(fd, select.POLLOUT)
        return lambda data: os.write(fd, data), fd, poll
    with contextlib.suppress(OSError):
        # Another opening of the same pipe or terminal has flags of its own.
        own = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        poll.register(own, select.POLLOUT)
        return lambda data: os.write(own, data), own, poll
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    if stat.S_ISSOCK(mode):  # the journal of systemd
        connection = socket.socket(fileno=os.dup(fd))
        poll.register(connection, select.POLLOUT)
        return lambda data: connection.send(data, socket.MSG_DONTWAIT), nowhere, poll
    # A pipe of another user, or a system without /proc.
    return lambda data: os.write(fd, data), nowhere, None


def unblocked(stream: TextIO | None) -> TextIO:
    """Return a stream that writes to the descriptor of `stream` without waiting; `stream` itself if it has none.

    What its encoding lacks is written as escapes.
    """
    if stream is None:  # the process was started with it closed
        return Path(os.devnull).open("w", encoding="utf-8")
    try:
        if isinstance(getattr(stream, "buffer", None), Output):
            return stream
        output = Output(stream.fileno())
    except OSError:
        return stream
    stream.flush()
    return io.TextIOWrapper(
        output,  # type: ignore[type-var]  # typeshed asks for a BufferedIOBase; a raw one that takes all will do
        encoding=stream.encoding,
        errors=ESCAPED,
        line_buffering=True,
    )


def unblock_output() -> None:
    """Let standard output and standard error of this process never make it wait."""
    # Celery writes to the original streams when it is told to stop.
    sys.stdout = sys.__stdout__ = unblocked(sys.stdout)  # type: ignore[misc, assignment]
    sys.stderr = sys.__stderr__ = unblocked(sys.stderr)  # type: ignore[misc, assignment]


def finish_output() -> None:
    """Let what still waits be written, in a process that ends without the exit handlers of Python."""
    for stream in (sys.stdout, sys.stderr):
        output = getattr(stream, "buffer", None)
        if isinstance(output, Output):
            output.finish()
