"""The lines of `intake up` in a terminal: folded between words, never cut."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import sys
import termios

import pytest

from worker.cli.run import output_lines
from worker.cli.run.output_lines import fold

LINE = "order.held target=warehouse order=shop-nl:50 reason=" + " ".join(["the postcode is required"] * 6)


@pytest.mark.parametrize("columns", [80, 100])
def test_a_long_line_is_folded_between_words_and_loses_nothing(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_lines, "_columns", lambda: columns)
    parts = fold(LINE, 9)
    assert len(parts) > 1
    assert all(len(part) <= columns - 9 for part in parts)
    assert all(part.startswith("  ") for part in parts[1:])
    assert " ".join(part.strip() for part in parts) == LINE
    assert fold("short", 9) == ["short"]


def test_a_word_that_is_too_long_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_lines, "_columns", lambda: 80)
    address = f"https://{'x' * 120}.example"
    assert address in [part.strip() for part in fold(f"see {address} now", 9)]


def test_a_command_that_never_waits_folds_its_lines_at_a_terminal() -> None:
    script = """
import sys
from worker.cli.run.output_lines import fold
from worker.cli.terminal import escaped_output, never_wait
with escaped_output():
    never_wait()
    sys.stderr.write("".join(f"{part}\\n" for part in fold(sys.argv[1], 9)))
"""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen([sys.executable, "-c", script, LINE], stderr=theirs) as process:
        os.close(theirs)
        assert process.wait(60) == 0
    shown = os.read(ours, 65_536).decode().splitlines()
    os.close(ours)
    assert len(shown) > 1
    assert max(map(len, shown)) <= 71


def test_without_a_terminal_a_line_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_terminal(_: int) -> os.terminal_size:
        raise OSError

    monkeypatch.setattr(os, "get_terminal_size", no_terminal)
    assert fold(LINE, 9) == [LINE]
