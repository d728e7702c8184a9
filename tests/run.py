"""All tests: those that keep a core busy in two halves at once, then those that measure time, alone."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

HERE = Path(__file__).parent
PYTEST = [sys.executable, "-m", "pytest", "-q", "--durations", "8", "-p", "no:cacheprovider"]
#: Whole processes that are killed, and limits that are kept: nothing else may have the machine meanwhile.
ALONE = ["tests/chaos", "tests/failures", "tests/integration/test_limiter.py"]


def halves() -> tuple[list[str], list[str]]:
    """The other tests, so that each half takes about as long."""
    files = sorted(str(file.relative_to(HERE.parent)) for file in (HERE / "integration").glob("test_*.py"))
    files = [file for file in files if file not in ALONE]
    return [*files[::2], "tests/model"], [*files[1::2], "tests/contract", "tests/simulation", "tests/unit"]


def start(tests: list[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*PYTEST, *tests], cwd=HERE.parent, stdout=output, stderr=subprocess.STDOUT)


def main() -> int:
    with tempfile.TemporaryFile() as other:
        first, second = halves()
        behind = start(second, other)
        code = subprocess.run([*PYTEST, *first], cwd=HERE.parent, check=False).returncode or behind.wait()
        behind.wait()
        other.seek(0)
        sys.stdout.write(other.read().decode(errors="replace"))
        sys.stdout.flush()
    return subprocess.run([*PYTEST, *ALONE], cwd=HERE.parent, check=False).returncode or code


if __name__ == "__main__":
    sys.exit(main())
