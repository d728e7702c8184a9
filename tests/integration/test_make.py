"""The programs that the `make` targets run can start outside pytest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HOME = Path(__file__).parents[2]


@pytest.mark.parametrize("target", ["prove", "soak", "simulate", "mutate", "bench"])
def test_the_program_behind_each_target_starts(target: str) -> None:
    dry_run = ["make", "-n", "--no-print-directory", target, f"BIN={Path(sys.executable).parent}"]
    # This test may itself run under make.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    printed = subprocess.run(dry_run, env=env, cwd=HOME, check=True, capture_output=True, text=True)
    # The command is a line of our own Makefile.
    command = [f"{printed.stdout.splitlines()[-1]} --help"]
    result = subprocess.run(command, shell=True, cwd=HOME, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "usage" in result.stdout.lower()
