"""What `make` runs starts on its own, without what pytest would bring."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HOME = Path(__file__).parents[2]


@pytest.mark.parametrize("target", ["prove", "soak", "simulate", "mutate", "bench"])
def test_the_program_behind_each_target_starts(target: str) -> None:
    ask = ["make", "-n", "--no-print-directory", target, f"BIN={Path(sys.executable).parent}"]
    # This test may itself run under make.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    told = subprocess.run(ask, env=env, cwd=HOME, check=True, capture_output=True, text=True)
    # A line of our own Makefile.
    run = [f"{told.stdout.splitlines()[-1]} --help"]
    asked = subprocess.run(run, shell=True, cwd=HOME, check=False, capture_output=True, text=True)
    assert asked.returncode == 0, asked.stderr
    assert "usage" in asked.stdout.lower()
