"""`intake docs`: every page by its name, the beginning of its name, or a word of it; also from an installed package."""

from __future__ import annotations

import tomllib
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from support.command_line import intake
from worker.cli.setup import docs

if TYPE_CHECKING:
    from pytest import MonkeyPatch  # noqa: PT013

ROOT = Path(__file__).parents[2]
PAGES = {file.stem: file for file in (ROOT / "deploy" / "docs").glob("*.md")}


def test_every_page_is_listed_with_its_title_and_printed() -> None:
    listed = intake("docs").output
    for name, file in PAGES.items():
        text = file.read_text(encoding="utf-8")
        assert name in listed
        assert intake("docs", name).output == text


@pytest.mark.parametrize(("topic", "name"), [("going", "going-live"), ("gloss", "glossary")])
def test_the_beginning_of_a_name_is_enough(topic: str, name: str) -> None:
    assert intake("docs", topic).output == PAGES[name].read_text(encoding="utf-8")


def test_a_word_finds_the_pages_that_have_it() -> None:
    assert "losing-redis" in intake("docs", "FLUSHALL").output
    result = intake("docs", "no such word anywhere")
    assert (result.exit_code, "Next: intake docs" in result.output) == (1, True)


def test_an_installed_package_has_every_page(monkeypatch: MonkeyPatch, tmp_path: Path) -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["data-files"]
    assert data == {"share/doc/intake-orders": ["deploy/docs/*.md"]}
    monkeypatch.setattr(docs, "_CHECKOUT", tmp_path)

    class File(PurePosixPath):
        def locate(self) -> Path:
            return PAGES[self.stem]

    installed = SimpleNamespace(files=[File("../../../share/doc/intake-orders/glossary.md"), File("worker/errors.md")])
    monkeypatch.setattr(docs, "distribution", lambda _: installed)
    assert [*docs.pages()] == ["glossary"]
    installed.files = []
    assert "has no pages" in intake("docs").output
