"""In CI, a test that cannot run fails."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.source_texts import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SKIPPED = """
import pytest

def test_by_call():
    pytest.skip("no promtool")

@pytest.mark.skipif(True, reason="no helm")
def test_by_mark():
    pass

@pytest.mark.xfail(strict=True)
def test_that_is_expected_to_fail():
    assert False
"""


@pytest.mark.parametrize(("ci", "outcome"), [("true", "1 failed, 1 xfailed, 1 error"), ("", "2 skipped, 1 xfailed")])
def test_a_skipped_test_fails_only_in_ci(tmp_path: Path, ci: str, outcome: str) -> None:
    (tmp_path / "test_skipped.py").write_text(SKIPPED, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "support.no_skips",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        ".",
    ]
    environment = {**os.environ, "CI": ci, "PYTHONPATH": str(ROOT / "tests"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert outcome in done.stdout
    if ci:
        assert "no promtool" in done.stdout
        assert "no helm" in done.stdout
