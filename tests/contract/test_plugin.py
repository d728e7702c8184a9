"""The plug-in as somebody else uses it: a tiny package brings an adapter, and its tests run the contract over it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RECORDINGS = Path(__file__).with_name("recordings")
ADAPTER = """
from worker.systems.dropday.target import Dropday

class Tiny(Dropday):
    kind = "tiny"
"""
TEST = """
def test_our_adapters_hold_to_their_contracts(intake_contract):
    intake_contract()
"""


class Package:
    """A package with one target, installed as far as an import needs it, and its tests."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "tiny.py").write_text(ADAPTER)
        info = home / "tiny-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[intake.targets]\ntiny = tiny:Tiny\n")
        (home / "pytest.ini").write_text("[pytest]\nintake_recordings = recordings\n")
        (home / "test_tiny.py").write_text(TEST)
        shutil.copytree(RECORDINGS / "targets" / "dropday", home / "recordings" / "targets" / "tiny")

    def pytest(self) -> tuple[int, str]:
        """Exit code and output of its tests."""
        env = os.environ | {"PYTHONPATH": os.pathsep.join([str(self.home), os.environ.get("PYTHONPATH", "")])}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        ran = subprocess.run(command, cwd=self.home, env=env, capture_output=True, text=True, timeout=100, check=False)
        return ran.returncode, ran.stdout + ran.stderr


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return Package(tmp_path)


def test_an_adapter_of_another_package_is_held_to_the_whole_contract(package: Package) -> None:
    code, said = package.pytest()
    assert code == 0, said
    passed = re.search(r"(\d+) passed", said)
    assert passed
    assert int(passed[1]) >= 12


def test_an_adapter_that_breaks_a_promise_is_told_which(package: Package) -> None:
    with (package.home / "tiny.py").open("a") as file:
        file.write("\n    def find(self, reference):\n        return None\n")
    code, said = package.pytest()
    assert code == 1
    assert "targets-tiny-" in said


def test_an_adapter_without_recordings_fails_rather_than_pass_unseen(package: Package) -> None:
    shutil.rmtree(package.home / "recordings" / "targets" / "tiny")
    code, said = package.pytest()
    assert code == 1
    assert "targets-tiny-the_recordings_cover_every_case" in said


def test_a_folder_that_is_not_named_is_asked_for(package: Package) -> None:
    (package.home / "pytest.ini").write_text("[pytest]\n")
    code, said = package.pytest()
    assert code != 0
    assert "intake_recordings is not set: name the folder with the recordings of your adapters" in said
