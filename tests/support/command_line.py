"""Run a command of Intake, in this process or in a new one."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from click.testing import CliRunner, Result

from worker.cli import main

if TYPE_CHECKING:
    from pathlib import Path


def intake(*words: str, stdin: str | bytes = "") -> Result:
    """Run `intake WORDS` in this process."""
    return CliRunner().invoke(main, words, input=stdin)


def intake_process(
    *words: str, home: Path | None = None, before: str = "pass", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `intake WORDS` in a new process, in the folder `home`, after the statement `before`."""
    command = [sys.executable, "-c", f"import sys; {before}; from worker.cli import main; main()", *words]
    return subprocess.run(
        command,
        cwd=home,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
