"""Writing the log never makes a process wait, and every line is written or counted."""

from __future__ import annotations

import fcntl
import io
import os
import re
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from worker.process import output
from worker.process.output import MOST, Output, unblocked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LINE = b"x" * 99 + b"\n"
#: More lines than a pipe and the memory of an output hold.
MANY = (MOST + 2**19) // len(LINE)


@pytest.fixture(params=["pipe", "pipe of another user", "socket", "terminal"])
def ends(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """Yield both ends of what a process writes to: the reader's and the writer's."""
    if request.param == "socket":
        reader, writer = (end.detach() for end in socket.socketpair())
    elif request.param == "terminal":
        reader, writer = os.openpty()
    else:
        reader, writer = os.pipe()
    if request.param == "pipe of another user":

        def refuse(path: str, flags: int, real: Callable[[str, int], int] = os.open) -> int:
            if path.startswith("/proc/self/fd"):
                raise PermissionError
            return real(path, flags)

        monkeypatch.setattr(os, "open", refuse)
    yield reader, writer
    os.close(reader)
    os.close(writer)


def read_until(reader: int, done: Callable[[bytes], bool]) -> bytes:
    """Read in the way of a slow reader until the text is what is expected."""
    text, end = b"", time.monotonic() + 20
    while not done(text):
        assert time.monotonic() < end, text[-200:]
        text = (text + os.read(reader, 2**16)).replace(b"\r\n", b"\n")
    return text


def count(text: bytes) -> int:
    """Return how many lines were written or are reported as dropped."""
    reported = sum(map(int, re.findall(rb"log\.dropped count=(\d+)\n", text)))
    return text.count(LINE) + reported


@pytest.fixture(autouse=True)
def with_plain_reports_and_short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "_report", [output._plain_report])
    monkeypatch.setattr(output, "PATIENCE", 0.2)


def test_a_line_is_out_when_write_returns_and_the_flags_stay(ends: tuple[int, int]) -> None:
    reader, writer = ends
    Output(writer).write(LINE)
    assert read_until(reader, lambda text: text.endswith(b"\n")) == LINE
    assert not fcntl.fcntl(writer, fcntl.F_GETFL) & os.O_NONBLOCK


@pytest.mark.timeout(30)
def test_nobody_reads_then_lines_are_dropped_counted_and_reported_once_somebody_does(ends: tuple[int, int]) -> None:
    reader, writer = ends
    out = Output(writer)
    began = time.monotonic()
    for _ in range(MANY):
        out.write(LINE)
    assert time.monotonic() - began < 5
    assert out._size <= MOST
    text = read_until(reader, lambda text: count(text) == MANY)
    assert b"log.dropped" in text
    out.write(LINE)
    assert read_until(reader, lambda text: text.endswith(b"\n")) == LINE
    assert set(re.sub(rb"log\.dropped count=\d+\n", b"", text).splitlines()) == {LINE[:-1]}


def test_a_reader_who_is_only_slow_gets_every_line(ends: tuple[int, int]) -> None:
    reader, writer = ends
    out = Output(writer)
    lines = [b"%08d%s" % (number, LINE) for number in range(MOST // 120)]
    texts: list[bytes] = []

    def read() -> None:
        time.sleep(0.05)
        texts.append(read_until(reader, lambda text: text.count(b"\n") == len(lines)))

    thread = threading.Thread(target=read)
    thread.start()
    for line in lines:
        out.write(line)
    out.finish()
    assert not out._busy
    thread.join()
    assert texts[0] == b"".join(lines)


def test_the_end_of_a_process_does_not_wait_for_a_reader_who_does_not_read(ends: tuple[int, int]) -> None:
    _, writer = ends
    out = Output(writer)
    for _ in range(MANY):
        out.write(LINE)
    began = time.monotonic()
    out.finish()
    assert time.monotonic() - began < output.LONGEST


def test_what_cannot_be_written_is_counted_and_reported_before_the_next_line(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    out = Output(writer)
    full, send = [True], out._send

    def send_half(data: bytes) -> int:
        if not full[0]:
            return send(data)
        if len(data) < len(LINE):
            raise OSError(28, "No space left on device")
        return send(data[:50])

    monkeypatch.setattr(out, "_send", send_half)
    for _ in range(3):
        out.write(LINE)
    full[0] = False
    out.write(LINE)
    lines = read_until(reader, lambda text: text.endswith(LINE)).splitlines()
    # A line of which the disk took a half does not spoil the next one.
    assert lines[-2:] == [b"log.dropped count=3", LINE[:-1]]
    out.write(LINE)
    assert read_until(reader, lambda text: text.endswith(b"\n")) == LINE
    os.close(reader)
    os.close(writer)


def test_a_closed_pipe_a_full_disk_and_no_output_at_all_raise_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    for fd in (writer, os.open("/dev/full", os.O_WRONLY)):
        out = Output(fd)
        for _ in range(3):
            out.write(LINE)
        assert out._dropped == 3
        os.close(fd)
    with unblocked(None) as nowhere:
        print("gone", file=nowhere)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_the_encoding_lacks_is_written_as_a_json_escape(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("w", encoding=encoding) as file:
        print("Søren € 🚲 \ud83d", file=unblocked(file))
    text = path.read_bytes().decode(encoding)
    for character in "ø€🚲":
        escaped = "".join(f"\\u{ord(half):04x}" for half in _halves(character))
        assert (character in text) != (escaped in text)
    assert "\\ud83d" in text


def _halves(character: str) -> list[str]:
    code = character.encode("utf-16-be")
    return [chr(int.from_bytes(code[n : n + 2])) for n in range(0, len(code), 2)]


def test_a_forked_process_writes_its_own_lines_only() -> None:
    reader, writer = os.pipe()
    out = Output(writer)
    for _ in range(MANY):
        out.write(LINE)
    if (child := os.fork()) == 0:
        out.write(b"child\n")
        out.finish()
        os._exit(0)
    text = read_until(reader, lambda text: b"log.dropped" in text and b"child\n" in text and text.endswith(b"\n"))
    os.waitpid(child, 0)
    assert text.count(b"child\n") == 1
    assert count(text) == MANY
    os.close(reader)
    os.close(writer)


def test_a_stream_without_a_descriptor_stays_and_an_unblocked_one_is_not_wrapped_again() -> None:
    stream = io.StringIO()
    assert unblocked(stream) is stream
    once = unblocked(sys.__stderr__)
    assert unblocked(once) is once


DYING = """
import contextlib, os, sys, warnings
from worker.process.output import unblock_output
from worker.telemetry import log
unblock_output()
log.configure("info", "json")
for _ in range(int(sys.argv[1])):
    print("x" * 99, file=sys.stderr)
with contextlib.suppress(OSError):
    os.write(sys.__stderr__.fileno(), b"one who writes past the stream\\n")
warnings.warn("a warning")
1 / 0
"""


def test_a_process_whose_log_nobody_reads_ends_and_a_traceback_is_written_for_one_who_does() -> None:
    code = [sys.executable, "-c", DYING]
    with subprocess.Popen([*code, "5000"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.wait(20) == 1
    fitting = MOST // 200  # fits into memory, however slowly it is read
    done = subprocess.run([*code, str(fitting)], capture_output=True, text=True, timeout=20, check=False)
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")
    assert '"logger": "py.warnings"' in done.stderr
    assert done.stderr.count("x" * 99) == fitting
    assert "log.dropped" not in done.stderr
