"""The programs that the `make` targets run can start outside pytest."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).parents[2]


#: One process for all programs, because most of its time passes before it runs the first.
START_EACH = """
import runpy, sys
for module in sys.argv[1:]:
    sys.argv[1:] = ["--help"]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as done:
        print(module, "ended with", done.code)
"""
TARGETS = ("prove", "soak", "simulate", "mutate", "bench")


def test_the_program_behind_each_target_starts() -> None:
    dry_run = ["make", "-n", "--no-print-directory", *TARGETS, f"BIN={Path(sys.executable).parent}"]
    # This test may itself run under make.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    printed = subprocess.run(dry_run, env=env, cwd=HOME, check=True, capture_output=True, text=True)
    commands = re.findall(r"^PYTHONPATH=tests \S+/python -m (?!pytest)(\S+)", printed.stdout, re.MULTILINE)
    assert len(commands) == len(TARGETS)
    command = [sys.executable, "-c", START_EACH, *commands]
    result = subprocess.run(
        command, cwd=HOME, env=os.environ | {"PYTHONPATH": "tests"}, check=False, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert [module for module in commands if f"{module} ended with 0" not in result.stdout] == []
    assert result.stdout.lower().count("usage") >= len(TARGETS)
