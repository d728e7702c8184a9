"""The links of the README and of the pages lead somewhere."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from support import source_texts

if TYPE_CHECKING:
    from pathlib import Path

README = source_texts.ROOT / "README.md"
PAGES = sorted((source_texts.ROOT / "deploy" / "docs").glob("*.md"))
DEEPER = [
    *sorted((source_texts.ROOT / "deploy").glob("*/*/*.md")),
    *sorted((source_texts.ROOT / ".github").glob("*.md")),
]
#: Each page, and what is linked from it.
LINK = re.compile(r"\]\(([^)\s]+)[^)]*\)|(?:src|href)=\"([^\"]+)\"")


def prose(page: Path) -> str:
    """Return a page without its code blocks."""
    return re.sub(r"(?ms)^(```|~~~).*?^\1", "", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"(?m)^#{1,6} +(.+?)\s*$", prose(page)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


def links(page: Path) -> list[str]:
    found = (one or other for one, other in LINK.findall(prose(page)))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def broken(page: Path) -> list[str]:
    """Return the broken links of a page."""
    wrong = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        there = page.parent / path if path else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("page", [README, *PAGES, *DEEPER], ids=lambda page: page.name)
def test_each_link_of_a_page_leads_to_a_file_and_a_heading_that_are_there(page: Path) -> None:
    assert broken(page) == []


def test_each_page_is_linked_from_the_readme() -> None:
    linked = {(README.parent / link.partition("#")[0]).resolve() for link in links(README)}
    assert [page.name for page in PAGES if page.resolve() not in linked] == []


def test_a_link_to_nothing_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A `word`, and more\n## Twice\n## Twice\n"
        "[a](page.md#a-word-and-more) [b](#twice-1) [c](https://there.example/x)\n"
        "[d](gone.md) [e](#nowhere) [f](page.md#twice-2)\n```\n# code\n[g](code.md)\n```\n"
    )
    assert broken(page) == ["gone.md", "#nowhere", "page.md#twice-2"]
