"""The command line under which a forked process is shown."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Show this process as the words that are its arguments; print what the system shows then, and a variable.
PROGRAM = """
import os, sys
from worker.process.title import show_as
words = sys.argv[1:]
kept = {name: os.environ.pop(name) for name in list(os.environ)}
os.environ.update(kept)
show_as(words, "a name that is too long")
shown = open("/proc/self/cmdline").read()
print(os.environ["KEPT"], os.popen("echo $KEPT").read().strip(), open("/proc/self/comm").read().strip(), shown, sep="|")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no process is forked")
@pytest.mark.parametrize("words", [["x"], ["intake", "two words"], ["y" * 300], ["z" * 6000]], ids=len)
def test_a_process_is_shown_as_told_and_keeps_its_environment(words: list[str]) -> None:
    command = [sys.executable, "-c", PROGRAM, *words]
    done = subprocess.run(command, env={"KEPT": "value"}, capture_output=True, text=True, check=True, timeout=60)
    here, below, name, shown = done.stdout.rstrip("\n").split("|")
    assert (here, below, name) == ("value", "value", "a name that is")
    assert shown == " ".join(words)[:4095] + "\0"
