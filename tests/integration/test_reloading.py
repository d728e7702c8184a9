"""A reload that is asked for again while the file is being checked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from support.command_line import intake
from support.settings_texts import SHOP_TO_DROPDAY
from worker.cli.run import file_reload
from worker.cli.run.file_reload import FileReload
from worker.process import reloader
from worker.process.reloader import Reloader
from worker.process.reloading import Running, reload_folder
from worker.runtime import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.settings_texts import Configured

#: Reads the file that it checks, waits until `go` is there, takes it away, and refuses a file that says "bad".
CHECK = """\
import pathlib, sys, time
text, go = (pathlib.Path(word) for word in sys.argv[1:])
said = text.read_text()
(go.parent / "begun").touch()
while not go.exists():
    time.sleep(0.005)
go.unlink()
sys.exit("bad" in said)
"""


def until(done: Callable[[], object]) -> None:
    """Wait until something is true."""
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture(autouse=True)
def sighup() -> Iterator[None]:
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    words = [sys.executable, "-c", CHECK, str(tmp_path / "file"), str(tmp_path / "go")]
    for module in (file_reload, reloader):
        monkeypatch.setattr(module, "check_command", lambda _: words)
    (tmp_path / "file").write_text("bad")
    return tmp_path / "file"


def ask_twice(file: Path, running: Running, step: Callable[[], object]) -> tuple[str, str]:
    """Ask, mend the file and ask again while it is being checked; return the state after each of the two checks."""
    states = []
    begun, go = file.with_name("begun"), file.with_name("go")
    running.ask()
    until(lambda: (step(), begun.exists())[1])
    assert running.reply()[0] == "checking"
    file.write_text("good")
    running.ask()
    for _ in range(2):
        begun.unlink(missing_ok=True)
        go.touch()
        until(lambda: (step(), not go.exists())[1])
        until(lambda: (step(), begun.exists() or running.reply()[0] not in {"asked", "checking"})[1])
        states.append(running.reply()[0])
    return states[0], states[1]


def test_intake_up_checks_a_file_again_that_was_asked_for_during_its_check(file: Path, configured: Configured) -> None:
    configured.write(SHOP_TO_DROPDAY)
    reload = FileReload(read_settings(), os.environ)
    reload.heed(lambda: pytest.fail("a request to reload ends nothing"))
    running = Running(reload_folder(read_settings().data_dir) / f"up-{os.getpid()}")
    assert ask_twice(file, running, reload.verdict) == ("checking", "accepted")


def test_a_process_of_its_own_checks_a_file_again_that_was_asked_for_during_its_check(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reloader, "want_replacement", lambda: None)
    stopped: list[int] = []
    process = Reloader(tmp_path, file, "listen", lambda: stopped.append(1))
    process.heed()
    running = Running(reload_folder(tmp_path) / f"listen-{os.getpid()}")
    assert ask_twice(file, running, lambda: None) == ("checking", "accepted")
    until(lambda: stopped == [1])


def test_a_process_that_accepts_and_then_ends_is_reported_at_once(configured: Configured) -> None:
    configured.write(SHOP_TO_DROPDAY)
    folder = reload_folder(read_settings(offline=True).data_dir)
    script = f"""
import fcntl, os, pathlib, signal, sys, time
file = pathlib.Path({str(folder)!r}) / f"web-{{os.getpid()}}"
held = file.open("w+")
fcntl.lockf(held, fcntl.LOCK_EX)
signal.signal(signal.SIGHUP, lambda *_: (file.write_text("accepted"), os._exit(0)))
print("ready", flush=True)
signal.pause()
"""
    folder.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        reaper = threading.Thread(target=process.wait)  # as a supervisor does
        reaper.start()
        began = time.monotonic()
        done = intake("reload")
        reaper.join()
    assert done.exit_code == 1
    assert f"web (process {process.pid}) ended" in done.output
    assert time.monotonic() - began < 60, "it does not wait as long as a reload may take"
