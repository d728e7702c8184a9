"""`make release`: the version and the section of the changelog."""

from __future__ import annotations

import pytest

import release
from release import dated, raised

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
