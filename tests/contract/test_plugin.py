"""The plug-in as a third-party package uses it: the package registers adapters, and its tests check them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import guide
from worker.lab.conformance import comparison, providers, targets, webhooks
from worker.lab.conformance.stage import promises

RECORDINGS = Path(__file__).with_name("recordings")
#: A distribution with a provider, a target with a view, and a webhook kind.
OUTSIDE = Path(__file__).parents[1] / "data" / "outside"
TEST = """
def test_our_adapters_keep_their_contracts(intake_contract):
    intake_contract()
"""


class Package:
    """A copy of the third-party package, importable but not installed, with its tests.

    The adapters of the guide are those of its page, with the entry points that it shows.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        shutil.copytree(OUTSIDE, home, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        (home / "pytest.ini").write_text("[pytest]\nintake_recordings = recordings\n")
        (home / "test_tiny.py").write_text(TEST)
        for name in ("woo.py", "shelf.py"):
            (home / name).write_text(guide.module(name))
        (home / "shop_adapters-1.0.dist-info" / "entry_points.txt").write_text(guide.entry_points())
        for sort in ("providers", "targets"):
            shutil.copytree(RECORDINGS / sort / "dropday", home / "recordings" / sort / "tiny")

    def pytest(self, *arguments: str) -> tuple[int, str]:
        """Run the package's tests; return the exit code and the output."""
        env = os.environ | {"PYTHONPATH": os.pathsep.join([str(self.home), os.environ.get("PYTHONPATH", "")])}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:schemathesis", *arguments]
        done = subprocess.run(command, cwd=self.home, env=env, capture_output=True, text=True, timeout=100, check=False)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return Package(tmp_path)


#: The suites of each adapter of the package.
SUITES = {
    ("providers", "tiny"): [providers],
    ("targets", "tiny"): [targets, comparison],
    ("webhooks", "tiny"): [webhooks],
    ("providers", "woo"): [providers],
    ("targets", "shelf"): [targets],
}


def checked(output: str) -> set[tuple[str, str, str]]:
    """Return the sort, the kind and the name of each check that passed."""
    return set(re.findall(r"PASSED .*\[(\w+)-(\w+)-(\w+)\]", output))


def test_an_adapter_of_another_package_is_checked_against_the_whole_contract(package: Package) -> None:
    code, output = package.pytest("-rA")
    assert code == 0, output
    assert checked(output) == {
        (*adapter, name) for adapter, modules in SUITES.items() for suite in modules for name in promises(suite)
    }


def test_an_adapter_that_breaks_a_promise_fails_with_its_name(package: Package) -> None:
    with (package.home / "tiny.py").open("a") as file:
        file.write("\nTinyTarget.find = lambda self, reference: None\n")
        file.write("TinyTarget.view = lambda self, order, side: {side: order.external_id}\n")
        file.write("TinyWebhook.prove = lambda self, call, now: None\n")
    code, output = package.pytest("-k", "find_returns or the_same_fields or another_secret")
    assert code == 1
    for check in (
        "targets-tiny-find_returns_the_order_of_exactly_this_reference_or_none",
        "targets-tiny-every_order_has_the_same_fields_on_both_sides",
        "webhooks-tiny-another_secret_is_refused",
    ):
        assert f"[{check}]" in output


def test_an_adapter_without_recordings_fails(package: Package) -> None:
    shutil.rmtree(package.home / "recordings" / "targets" / "tiny")
    code, output = package.pytest("-k", "targets and the_recordings_cover")
    assert code == 1
    assert "targets-tiny-the_recordings_cover_every_case" in output
    assert (
        "not checked: record targets/tiny/created.json: an order that is created. Its keys: shows, call = c" in output
    )


@pytest.mark.parametrize("name", ["woo.py", "shelf.py"])
def test_the_guide_shows_the_files_of_the_package(name: str) -> None:
    assert guide.module(name) == (OUTSIDE / name).read_text()


def test_a_missing_recordings_folder_is_an_error(package: Package) -> None:
    (package.home / "pytest.ini").write_text("[pytest]\n")
    code, output = package.pytest()
    assert code != 0
    assert "intake_recordings is not set: name the folder with the recordings of your adapters" in output
