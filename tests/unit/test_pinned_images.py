"""`make pin` pins every image of another project by its digest, and a pinned one by a newer digest."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
IMAGE = re.compile(r"^(?:FROM| +image:) ([^\s@]+:[^\s@]+)(?:@(sha256:[0-9a-f]{64}))?(?: AS \w+)?$", re.MULTILINE)
#: What answers for a registry: a digest that follows from the name of the image and from $GENERATION.
SKOPEO = """#!/bin/sh
for last; do :; done
[ -n "$GENERATION" ] || { echo "$last is not there" >&2; exit 1; }
printf %s "$GENERATION$last" | sha256sum | sed 's/^/sha256:/; s/ .*//'
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in ("Dockerfile", "compose.yaml"):
        shutil.copy(DEPLOY / name, tmp_path)
    program = tmp_path / "skopeo"
    program.write_text(SKOPEO)
    program.chmod(0o755)
    return tmp_path


def pin(files: Path, generation: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": f"{files}:{os.environ['PATH']}", "GENERATION": generation}
    words = ["sh", str(DEPLOY / "pin-images.sh"), str(files)]
    return subprocess.run(words, env=environ, capture_output=True, text=True, check=False, timeout=20)


def images(files: Path) -> list[tuple[str, str]]:
    """Return the images and their digests, but for our own, whose version a variable names."""
    text = (files / "Dockerfile").read_text() + (files / "compose.yaml").read_text()
    return [(name, digest) for name, digest in IMAGE.findall(text) if not name.startswith("intake:")]


def test_every_image_of_others_is_pinned_and_pinned_anew(files: Path) -> None:
    before = images(files)
    assert len(before) == 5
    found = []
    for generation in ("1", "2", "2"):
        done = pin(files, generation)
        assert done.returncode == 0, done.stderr
        found.append(images(files))
        assert [name for name, _ in found[-1]] == [name for name, _ in before]
        assert all(digest for _, digest in found[-1])
    assert not {*found[0]} & {*found[1]}
    assert found[1] == found[2]
    for name in ("Dockerfile", "compose.yaml"):
        unpinned = re.sub(r"@sha256:[0-9a-f]{64}", "", (files / name).read_text())
        assert unpinned == re.sub(r"@sha256:[0-9a-f]{64}", "", (DEPLOY / name).read_text())


def test_a_registry_that_does_not_answer_changes_nothing(files: Path) -> None:
    before = images(files)
    assert pin(files, "").returncode == 1
    assert images(files) == before
