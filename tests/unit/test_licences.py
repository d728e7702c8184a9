"""Every package that runs has a licence that its users may accept without asking a lawyer."""

from __future__ import annotations

import importlib.metadata
import re
from email.message import Message
from pathlib import Path
from typing import Final

import pytest

LOCK: Final = Path(__file__).parents[2] / "requirements.lock"
#: By the names of SPDX. MPL-2.0 binds who changes the files of such a package, and we change none.
ALLOWED: Final = frozenset(
    {"AFL-2.1", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSD", "ISC", "MIT", "MPL-2.0", "PSF-2.0"}
)
#: What packages write that have no SPDX expression: a classifier of PyPI, or a text.
NAMED: Final = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}


def licences(name: str) -> set[str]:
    """Return the licences that a package declares, each by its SPDX name if we know one."""
    metadata = importlib.metadata.metadata(name)
    classifiers = metadata.get_all("Classifier") or []
    classified = [text.rpartition(" :: ")[2] for text in classifiers if "License ::" in text]
    texts = metadata.get_all("License-Expression") or classified
    texts = texts or [text.strip().split("\n")[0] for text in metadata.get_all("License") or []]
    return {NAMED.get(part, part) for text in texts for part in re.split(r" (?:OR|AND) ", text) if part}


def locked(lock: str) -> list[str]:
    """Return the packages of the lock that are for this machine."""
    lines = re.findall(r"^([A-Za-z0-9._-]+)==\S+(.*)$", lock, re.MULTILINE)
    return [name for name, marker in lines if ";" not in marker or _is_installed(name)]


def _is_installed(name: str) -> bool:
    try:
        return bool(importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return False


def test_every_package_that_runs_has_an_allowed_licence() -> None:
    found = {name: licences(name) for name in locked(LOCK.read_text())}
    assert len(found) > 50
    # A package without any is as bad as one with another.
    refused = {name: names for name, names in found.items() if not names or not names <= ALLOWED}
    assert refused == {}, "replace the package, or extend ALLOWED after somebody has read the licence"


@pytest.mark.parametrize(
    ("metadata", "names"),
    [
        ({"License-Expression": "MIT OR GPL-3.0-only"}, {"MIT", "GPL-3.0-only"}),
        ({"Classifier": "License :: OSI Approved :: GNU Affero General Public License v3", "License": "MIT"}, set()),
        ({"License": "see LICENSE"}, {"see LICENSE"}),
        ({}, set()),
    ],
)
def test_a_licence_that_is_not_allowed_is_refused_whoever_names_it(
    monkeypatch: pytest.MonkeyPatch, metadata: dict[str, str], names: set[str]
) -> None:
    message = Message()
    for key, value in metadata.items():
        message[key] = value
    monkeypatch.setattr("importlib.metadata.metadata", lambda _: message)
    found = licences("any")
    assert found >= names
    assert not found or not found <= ALLOWED
