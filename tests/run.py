"""All tests: most of them in two halves at once, then those that measure time, alone."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

HERE = Path(__file__).parent
PYTEST = [sys.executable, "-m", "pytest", "-q", "--durations", "8", "-p", "no:cacheprovider"]
#: Limits that are kept, and work that is taken over in time: nothing else may have the machine meanwhile.
TIMED = ("front_door", "hosts", "kills", "limit", "matrix", "takeover", "twice")
ALONE = [
    *(f"tests/chaos/test_{name}.py" for name in TIMED),
    "tests/failures",
    "tests/integration/test_limiter.py",
]


def halves() -> tuple[list[str], list[str]]:
    """The other tests, so that each half takes about as long."""
    folders = (HERE / "integration", HERE / "chaos")
    files = [str(file.relative_to(HERE.parent)) for folder in folders for file in sorted(folder.glob("test_*.py"))]
    files = [file for file in files if file not in ALONE]
    return files[::2], [*files[1::2], "tests/contract", "tests/model", "tests/simulation", "tests/unit"]


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
