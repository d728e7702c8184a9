"""The adapter of the target that accepts duplicates: Dropday's own, declared so."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from worker.systems.dropday.target import Dropday


class Depot(Dropday):
    """A Dropday that creates a second order with the same external_id."""

    kind: ClassVar[str] = "depot"
    dedupes: ClassVar[bool] = False


def announce(home: Path) -> str:
    """Register the adapter in `home` as a third-party package would; return a PYTHONPATH that finds it."""
    package = home / "soak_depot-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: soak-depot\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[intake.targets]\ndepot = soak.depot:Depot\n")
    tests = Path(__file__).parents[1]
    return os.pathsep.join((str(home), str(tests), str(tests.parent)))
