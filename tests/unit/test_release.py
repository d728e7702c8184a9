"""`make release`: the version and the section of the changelog."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import release
from release import dated, provenance, raised, unpinned

if TYPE_CHECKING:
    from pathlib import Path

CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A thing.\n\n## [0.1.0] - 2026-11-20\n\n- All.\n"
PYPROJECT = '[project]\nname = "x"\nversion = "0.1.0"\n[tool]\nversion = "0.1.0"\n'


def test_the_unreleased_section_becomes_that_of_the_version() -> None:
    text = dated(CHANGELOG, "0.2.0", "2026-12-01")
    assert "## [Unreleased]\n\n## [0.2.0] - 2026-12-01\n\n### Added\n\n- A thing.\n\n## [0.1.0]" in text
    with pytest.raises(ValueError, match="no entry"):
        dated(text, "0.3.0", "2026-12-02")
    with pytest.raises(ValueError, match="has a section"):
        dated(CHANGELOG, "0.1.0", "2026-12-02")


def test_the_version_of_the_project_is_raised_and_no_other() -> None:
    assert raised(PYPROJECT, "0.2.0").count('"0.2.0"') == 1
    assert raised(PYPROJECT, "0.1.0") == PYPROJECT
    for wrong in ("0.0.9", "1", "0.2.0rc1", "v0.2.0"):
        with pytest.raises(ValueError, match=r"not (a version|later)"):
            raised(PYPROJECT, wrong)


def test_this_changelog_and_this_project_can_be_released() -> None:
    changelog = (release.ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [99.0.0] - 2099-01-01" in dated(changelog, "99.0.0", "2099-01-01")
    assert raised((release.ROOT / "pyproject.toml").read_text(encoding="utf-8"), "99.0.0").count('"99.0.0"') == 1


def test_a_release_names_the_images_that_no_digest_pins(tmp_path: Path) -> None:
    digest = f"@sha256:{'0' * 64}"
    (tmp_path / "Dockerfile").write_text(f"FROM a:1{digest} AS build\nFROM b:2\n")
    (tmp_path / "compose.yaml").write_text(f"    image: c/d:3\n    image: e:4{digest}\n  image: own:${{VERSION}}\n")
    assert unpinned(tmp_path) == ["b:2", "c/d:3"]


def test_the_statement_of_a_release_names_its_files_its_commit_and_every_lock(tmp_path: Path) -> None:
    for name in ("intake_orders-0.2.0.tar.gz", "intake_orders-0.2.0-py3-none-any.whl", "intake_orders-0.2.01.tar.gz"):
        (tmp_path / name).write_bytes(b"x")
    statement = provenance(tmp_path, "0.2.0", "c0ffee")
    assert {subject["name"]: subject["digest"]["sha256"][:8] for subject in statement["subject"]} == {
        "intake_orders-0.2.0.tar.gz": "2d711642",
        "intake_orders-0.2.0-py3-none-any.whl": "2d711642",
    }
    named = {each["uri"]: each["digest"] for each in statement["predicate"]["buildDefinition"]["resolvedDependencies"]}
    assert named.pop("git+.") == {"gitCommit": "c0ffee"}
    assert named.keys() == {"requirements.lock", "requirements-test.lock", "requirements-release.lock"}
