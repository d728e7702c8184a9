"""`make sbom`: a valid CycloneDX document that names every package that runs, with its hashes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from support.source_texts import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

LOCK = "requirements.lock"


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write the list as the Makefile does, and return it."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^sbom:.*\n\t\$\(BIN\)/cyclonedx-py (.*) -o sbom\.json$", makefile, re.MULTILINE)
    assert recipe
    file = tmp_path_factory.mktemp("sbom") / "sbom.json"
    words = recipe[1].replace("$(RUN_LOCK)", LOCK).split()
    command = [str(Path(sys.executable).parent / "cyclonedx-py"), *words, "-o", str(file)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=60)
    return file.read_text(encoding="utf-8")


def locked(lock: str) -> set[tuple[str, str]]:
    return set(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", lock, re.MULTILINE))


def packages(document: dict[str, Any]) -> Iterable[dict[str, Any]]:
    components: list[dict[str, Any]] = document["components"]
    return components


def test_the_list_of_packages_is_valid_cyclonedx(text: str) -> None:
    version = SchemaVersion.from_version(json.loads(text)["specVersion"])
    assert JsonStrictValidator(version).validate_str(text) is None
    assert JsonStrictValidator(version).validate_str(text.replace('"components"', '"packages"')) is not None


def test_the_list_names_every_package_that_runs_with_its_hashes(text: str) -> None:
    document = json.loads(text)
    assert {(each["name"], each["version"]) for each in packages(document)} == locked((ROOT / LOCK).read_text())
    hashed = {each["name"] for each in packages(document) if "hashes" in json.dumps(each)}
    assert hashed == {each["name"] for each in packages(document)}
