"""Commands print on whatever their output is: another encoding, a full disk, a pipe that nobody reads."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path

import click
import pytest
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from support.settings_texts import SECRET_KEY, SHOP_TO_DROPDAY
from worker.cli import main
from worker.cli.display import Display
from worker.cli.terminal import escaped_output

EVIL = "\x1b]0;owned\x07"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_command_prints_where_the_encoding_lacks_its_characters(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    with escaped_output():
        click.echo(f"Søren € {EVIL}")
        click.echo(f"Søren € {EVIL}", err=True)
        table = Table("Søren")
        table.add_row("€")
        Console().print(table)
    for stream in (out, err):
        stream.flush()
        assert isinstance(stream.buffer, io.BytesIO)
        text = stream.buffer.getvalue().decode(encoding)
        assert ("€" if encoding == "utf-8" else "\\u20ac") in text
        assert ("\\u00f8" if encoding == "ascii" else "ø") in text
        assert "\x1b" not in text
        assert "\\u001b]0;owned\\u0007" in text


def test_a_full_disk_ends_a_command_with_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with contextlib.suppress(OSError), Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit) as ended:
            main(["schema", "job"])
    assert ended.value.code == 1
    assert capsys.readouterr().err == "Error: the output could not be written: no space left on device\n"


def test_a_full_disk_that_takes_no_messages_either_changes_no_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.suppress(OSError), Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stderr", full)
        with pytest.raises(SystemExit) as ended:
            main(["nonsense"])
    assert ended.value.code == 2


@pytest.mark.parametrize("lost", ["nobody reads", "full disk"])
def test_a_health_check_has_its_exit_code_whatever_becomes_of_its_line(
    lost: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "intake.toml").write_text(SHOP_TO_DROPDAY, encoding="utf-8")
    monkeypatch.setenv("TEST_KEY", SECRET_KEY)
    monkeypatch.setenv("TEST_ACCOUNT", SECRET_KEY)
    monkeypatch.setenv("INTAKE_CONFIG", str(tmp_path / "intake.toml"))
    monkeypatch.setenv("INTAKE_DATA_DIR", str(tmp_path))
    reader, writer = os.pipe()
    if lost == "full disk":
        os.dup2(os.open("/dev/full", os.O_WRONLY), writer)
    else:
        os.set_blocking(writer, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writer, b"x" * 4096)
        os.set_blocking(writer, True)
    with os.fdopen(writer, "w", encoding="utf-8") as out:
        monkeypatch.setattr(sys, "stdout", out)
        with pytest.raises(SystemExit) as ended:
            main(["health", "--live"])
    assert ended.value.code == 1
    os.close(reader)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_progress_bar_moves_on_a_terminal_and_shows_no_text_as_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with escaped_output(), Progress(console=Display(width=60)) as progress:
        task = progress.add_task("placed", total=2)
        progress.update(task, completed=1)
        progress.refresh()
        print("from \x1b[2J outside")
    shown = terminal.getvalue()
    assert "\r\x1b[2K" in shown
    assert "\\u000d" not in shown
    assert "\x1b[2J" not in shown
