"""The Makefile runs every test: those with a marker of their own lie where it looks for them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("marker", "variable"), [("paced", "PACED"), ("alone", "ALONE")])
def test_every_test_with_a_marker_of_its_own_is_run_by_make(marker: str, variable: str) -> None:
    paths = re.search(rf"^{variable} := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert paths
    marked = {file for file in (ROOT / "tests").rglob("*.py") if f"pytest.mark.{marker}" in file.read_text()}
    run = {file for path in paths[1].split() for file in (ROOT / path, *(ROOT / path).rglob("*.py"))}
    assert marked <= run
    assert marked
