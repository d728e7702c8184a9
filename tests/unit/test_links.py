"""The links of the README and of the pages lead to existing files and headings."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from support import source_texts

if TYPE_CHECKING:
    from pathlib import Path

README = source_texts.ROOT / "README.md"
INDEX = source_texts.ROOT / "deploy" / "docs" / "README.md"
SITE = source_texts.ROOT / "deploy" / "mkdocs.yml"
PAGES = sorted((source_texts.ROOT / "deploy" / "docs").glob("*.md"))
DEEPER = [
    *sorted((source_texts.ROOT / "deploy").glob("*/*/*.md")),
    *sorted((source_texts.ROOT / ".github").glob("*.md")),
]
#: A link in Markdown or HTML; one of both groups is its target.
LINK = re.compile(r"\]\(([^)\s]+)[^)]*\)|(?:src|href)=\"([^\"]+)\"")


def prose(page: Path) -> str:
    """Return a page without its code blocks."""
    return re.sub(r"(?ms)^(```|~~~).*?^\1", "", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    seen: Counter[str] = Counter()
    names = set()
    for heading in re.findall(r"(?m)^#{1,6} +(.+?)\s*$", prose(page)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        names.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return names


def links(page: Path) -> list[str]:
    targets = (markdown or html for markdown, html in LINK.findall(prose(page)))
    return [link for link in targets if not re.match(r"[a-z]+:", link)]


def broken(page: Path) -> list[str]:
    """Return the broken links of a page."""
    wrong = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("page", [README, *PAGES, *DEEPER], ids=lambda page: page.name)
def test_each_link_of_a_page_leads_to_an_existing_file_and_heading(page: Path) -> None:
    assert broken(page) == []


def test_each_page_is_linked_from_the_index_of_the_pages_and_is_in_the_navigation_of_the_site() -> None:
    linked = {(INDEX.parent / link.partition("#")[0]).resolve() for link in links(INDEX)}
    assert [page.name for page in PAGES if page.resolve() not in linked | {INDEX}] == []
    navigation = set(re.findall(r"(?m)^ *- (?:[\w ]+: )?([\w/.-]+\.md)$", SITE.read_text(encoding="utf-8")))
    assert sorted(page.name for page in PAGES if page.name not in navigation) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A `word`, and more\n## Twice\n## Twice\n"
        "[a](page.md#a-word-and-more) [b](#twice-1) [c](https://there.example/x)\n"
        "[d](gone.md) [e](#nowhere) [f](page.md#twice-2)\n```\n# code\n[g](code.md)\n```\n"
    )
    assert broken(page) == ["gone.md", "#nowhere", "page.md#twice-2"]
