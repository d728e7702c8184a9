"""The adapter of the target that accepts duplicates: Dropday's own, declared so."""

from __future__ import annotations

import sys
import venv
from pathlib import Path
from typing import ClassVar

from worker.systems.dropday.target import Dropday


class Depot(Dropday):
    """A Dropday that creates a second order with the same external_id."""

    kind: ClassVar[str] = "depot"
    dedupes: ClassVar[bool] = False


def install(home: Path, adapter: type[Dropday] = Depot) -> str:
    """Install the adapter in `home` as a third-party package; return the Python of an environment that has it."""
    package = home / "soak_depot-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: soak-depot\nVersion: 1\n")
    entry = f"{adapter.kind} = {adapter.__module__}:{adapter.__name__}"
    (package / "entry_points.txt").write_text(f"[intake.targets]\n{entry}\n")
    tests, environment = Path(__file__).parents[1], home / "environment"
    venv.create(environment, symlinks=True, with_pip=False)
    (packages,) = environment.glob("lib/python*/site-packages")
    paths = (str(home), str(tests), str(tests.parent), *(path for path in sys.path if path.endswith("site-packages")))
    (packages / "soak.pth").write_text("\n".join(paths))
    return str(environment / "bin" / "python")
