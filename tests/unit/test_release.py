"""`make release`: the version, the section of the changelog, and the statement of what was built."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

import release
from release import NAMED, current_version, dated, provenance, raised, read_named, unpinned

if TYPE_CHECKING:
    from pathlib import Path

CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A thing.\n\n## [0.1.0] - 2026-11-20\n\n- All.\n"
PYPROJECT = '[project]\nname = "x"\nversion = "0.1.0"\n[tool]\nversion = "0.1.0"\n'
CHART = "name: intake\nversion: 0.1.0\nappVersion: "


def test_the_unreleased_section_becomes_that_of_the_version() -> None:
    text = dated(CHANGELOG, "0.2.0", "2026-12-01")
    assert "## [Unreleased]\n\n## [0.2.0] - 2026-12-01\n\n### Added\n\n- A thing.\n\n## [0.1.0]" in text
    with pytest.raises(ValueError, match="no entry"):
        dated(text, "0.3.0", "2026-12-02")
    with pytest.raises(ValueError, match="has a section"):
        dated(CHANGELOG, "0.1.0", "2026-12-02")


def test_a_section_that_was_written_before_is_released_as_it_is_unless_newer_entries_are_missing_from_it() -> None:
    text = dated(CHANGELOG, "0.2.0", "2026-12-01")
    assert dated(text, "0.2.0", "2026-12-09") == text
    with pytest.raises(ValueError, match=r"has a section 0\.2\.0 already"):
        dated(text.replace("## [Unreleased]\n", "## [Unreleased]\n\n- A later thing.\n"), "0.2.0", "2026-12-09")
    with pytest.raises(ValueError, match=r"has a section 0\.1\.0 already"):
        dated(text, "0.1.0", "2026-12-09")


def test_the_version_of_the_project_is_raised_and_no_other() -> None:
    texts = {"pyproject.toml": PYPROJECT}
    assert raised(texts, "0.2.0")["pyproject.toml"].count('"0.2.0"') == 1
    assert raised(texts, "0.1.0") == texts
    for wrong in ("0.0.9", "1", "0.2.0rc1", "v0.2.0"):
        with pytest.raises(ValueError, match=r"not (a version|later)"):
            raised(texts, wrong)


def test_a_file_that_names_another_version_than_the_project_is_refused() -> None:
    name = "deploy/helm/intake/Chart.yaml"
    texts = {"pyproject.toml": PYPROJECT, name: f'{CHART}"0.1.0"\n'}
    assert raised(texts, "0.2.0")[name] == f'{CHART}"0.2.0"\n'.replace("version: 0.1.0", "version: 0.2.0")
    with pytest.raises(ValueError, match=f"{name} does not name the version"):
        raised({**texts, name: f'{CHART}"0.0.9"\n'}, "0.2.0")


def test_this_changelog_and_this_project_can_be_released() -> None:
    changelog = (release.ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    entry = changelog.replace(release.UNRELEASED, f"{release.UNRELEASED}\n- A thing.\n", 1)
    assert "## [99.0.0] - 2099-01-01" in dated(entry, "99.0.0", "2099-01-01")
    texts = raised(read_named(release.ROOT), "99.0.0")
    assert {name for name, text in texts.items() if "99.0.0" in text} == set(NAMED)
    assert texts["pyproject.toml"].count('"99.0.0"') == 1


def test_no_other_file_names_the_version() -> None:
    version = re.compile(rf"(?<![\d.]){re.escape(current_version(read_named(release.ROOT)))}(?![\d.])")
    folders = ("schemas", "tasks", "worker", "deploy", "README.md")
    listed = release.output("git", "ls-files", "--", *folders, cwd=release.ROOT).splitlines()
    # Pages about one version, and files that list the versions of other packages.
    history = re.compile(r"deploy/docs/(upgrade\.md|support\.md|speed)|.*package-lock\.json")
    named = {
        name
        for name in listed
        if not history.match(name) and version.search((release.ROOT / name).read_text("utf-8", errors="ignore"))
    }
    assert named == set(NAMED) - {"pyproject.toml"}


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
