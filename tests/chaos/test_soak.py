"""A small soak: the whole stack with many faults at once (`make prove`); `make soak` runs the full one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


@pytest.mark.repeat
@pytest.mark.timeout(300)
def test_a_small_soak_loses_and_duplicates_nothing(tmp_path: Path) -> None:
    """Deliver a thousand orders with all faults at once.

    In `make test`, the histories of `test_simulation.py` and the cells of `test_matrix.py`, with fewer faults each.
    """
    results = tmp_path / "results.json"
    command = [sys.executable, "-m", "soak", "--orders", "1000", "--density", "12", "--lease", "2", "--seed", "3"]
    # After a lost response each order of the call is searched for separately, at 10 calls a second.
    command += ["--bulk", "10"]
    run = subprocess.run(
        [*command, "--home", tmp_path / "home", "--results", results],
        cwd=TESTS,
        capture_output=True,
        text=True,
        check=False,
    )
    print(run.stdout, run.stderr)
    result = json.loads(results.read_text())
    assert run.returncode == 0
    assert result["problems"] == []
    assert len(result["fired"]) > 20
    assert {"rename", "backup restored", "step ahead", "step back", "kill worker"} <= result["events"].keys()
    assert result["cancelled"] > 0
