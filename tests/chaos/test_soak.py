"""A small soak: the whole stack with many faults at once (`make prove`); `make soak` runs the full one."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parents[1]
pytestmark = pytest.mark.repeat


def soak(*options: str | Path) -> list[str]:
    return [sys.executable, "-m", "soak", *map(str, options)]


def finish(command: list[str], results: Path) -> dict[str, Any]:
    """Run a soak to its end; return its figures."""
    run = subprocess.run([*command, "--results", results], cwd=TESTS, capture_output=True, text=True, check=False)
    print(run.stdout, run.stderr)
    figures: dict[str, Any] = json.loads(results.read_text())
    assert figures["problems"] == []
    assert run.returncode == 0
    return figures


@pytest.mark.timeout(600)
def test_a_small_soak_breaks_no_promise(tmp_path: Path) -> None:
    """Deliver a thousand orders with all faults at once.

    In `make test`, the histories of `test_simulation.py` and the cells of `test_matrix.py`, with fewer faults each.
    """
    # After a lost response each order of the call is searched for separately, at 10 calls a second.
    command = soak("--orders", "1000", "--density", "12", "--lease", "2", "--seed", "3", "--bulk", "10")
    figures = finish([*command, "--home", str(tmp_path / "home")], tmp_path / "results.json")
    assert len(figures["fired"]) > 20
    assert {"rename", "backup restored", "step ahead", "step back", "kill worker"} <= figures["events"].keys()
    assert figures["cancelled"] > 0


@pytest.mark.timeout(600)
def test_a_soak_that_was_killed_is_resumed(tmp_path: Path) -> None:
    """Kill a soak and continue it; in `make test`, `test_soak_systems.py` reads the systems' journal again."""
    home = tmp_path / "home"
    command = soak("--orders", "300", "--density", "4", "--lease", "2", "--seed", "5", "--bulk", "10", "--home", home)
    with subprocess.Popen(command, cwd=TESTS, stdout=subprocess.DEVNULL) as first:
        journal = home / "journal.jsonl"
        while not journal.exists() or journal.read_bytes().count(b'"created"') < 60:
            assert first.poll() is None
            time.sleep(0.2)
        first.kill()
    figures = finish(soak("--home", home, "--resume"), tmp_path / "results.json")
    assert figures["total"] == 300
    assert figures["created"] > 60
