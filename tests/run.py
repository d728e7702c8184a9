"""All tests: most of them in three parts at once, because they wait a lot; then those that measure time, alone."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

HERE = Path(__file__).parent
PYTEST = [sys.executable, "-m", "pytest", "-q", "--durations", "8", "-p", "no:cacheprovider"]
#: Limits that are kept, and work that is taken over in time: nothing else may have the machine meanwhile.
TIMED = ("duplicated_processes", "hosts", "inbox_under_kills", "matrix", "shared_limit", "sigkill", "takeover")
ALONE = [
    *(f"tests/chaos/test_{name}.py" for name in TIMED),
    "tests/failures",
    "tests/integration/test_limiter.py",
]


def parts() -> list[list[str]]:
    """The other tests, so that each part takes about as long."""
    folders = (HERE / "integration", HERE / "chaos")
    files = [str(file.relative_to(HERE.parent)) for folder in folders for file in sorted(folder.glob("test_*.py"))]
    files = [file for file in files if file not in ALONE]
    rest: tuple[list[str], ...] = ([], ["tests/contract", "tests/simulation"], ["tests/model", "tests/unit"])
    return [[*files[n :: len(rest)], *more] for n, more in enumerate(rest)]


def start(tests: list[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*PYTEST, *tests], cwd=HERE.parent, stdout=output, stderr=subprocess.STDOUT)


def main() -> int:
    first, *others = parts()
    with contextlib.ExitStack() as stack:
        outputs = [stack.enter_context(tempfile.TemporaryFile()) for _ in others]
        behind = [start(tests, output) for tests, output in zip(others, outputs, strict=True)]
        codes = [subprocess.run([*PYTEST, *first], cwd=HERE.parent, check=False).returncode]
        for process, output in zip(behind, outputs, strict=True):
            codes.append(process.wait())
            output.seek(0)
            sys.stdout.write(output.read().decode(errors="replace"))
            sys.stdout.flush()
    codes.append(subprocess.run([*PYTEST, *ALONE], cwd=HERE.parent, check=False).returncode)
    return next(filter(None, codes), 0)


if __name__ == "__main__":
    sys.exit(main())
