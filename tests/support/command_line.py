"""Run a command of Intake, in this process or in a new one."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import chdir
from typing import TYPE_CHECKING
from unittest.mock import patch

from click.testing import CliRunner, Result

from worker.cli import main

if TYPE_CHECKING:
    from pathlib import Path


def intake(*words: str, stdin: str | bytes = "") -> Result:
    """Run `intake WORDS` in this process."""
    return CliRunner().invoke(main, words, input=stdin)


def _at(home: Path | None, environment: dict[str, str]) -> dict[str, str]:
    """Return the environment of a command; in a folder of its own, no other settings are named."""
    return {name: value for name, value in os.environ.items() if not home or name != "INTAKE_CONFIG"} | environment


def intake_in(home: Path, *words: str, **environment: str) -> Result:
    """Run `intake WORDS` in this process, in the folder `home`, with no other settings than those there."""
    with chdir(home), patch.dict(os.environ, _at(home, environment), clear=True):
        return CliRunner().invoke(main, words)


def intake_process(
    *words: str, home: Path | None = None, before: str = "pass", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `intake WORDS` in a new process, in the folder `home`, after the statement `before`."""
    command = [sys.executable, "-c", f"import sys; {before}; from worker.cli import main; main()", *words]
    return subprocess.run(
        command,
        cwd=home,
        env=_at(home, environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
