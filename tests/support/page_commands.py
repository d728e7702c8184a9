"""The command lines of the pages, as a reader types them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from support.source_texts import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES = (
    "README.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "deploy/docs").glob("*.md")),
    "deploy/producers/README.md",
    ".github/CONTRIBUTING.md",
)
#: Every block of a page, with its language.
_BLOCK = re.compile(r"(?ms)^( *)```(\w*)\n(.*?)^ *```")
_HERE_DOCUMENT = re.compile(r"<<'?(\w+)'?")


class PageCommand(NamedTuple):
    """One command of a page, the output that the page shows after it, and whether it begins with a prompt."""

    page: str
    line: str
    output: tuple[str, ...] = ()


def page_commands() -> Iterator[PageCommand]:
    """Yield the commands of all pages. In a block with prompts, the other lines are their output."""
    for page in PAGES:
        for indent, language, body in _BLOCK.findall((ROOT / page).read_text(encoding="utf-8")):
            plain = re.sub(rf"(?m)^{indent}", "", body)
            if language == "sh":
                yield from (PageCommand(page, line) for line in _shell_lines(plain))
            elif language in {"", "console"}:
                yield from _prompted(page, plain)


def _shell_lines(text: str) -> Iterator[str]:
    """Yield whole commands: lines that end with a backslash are joined, and here-documents are left out."""
    end = ""
    for line in text.replace("\\\n", " ").splitlines():
        if end:
            end = "" if line.strip() == end else end
        elif line.strip() and not line.startswith("#"):
            yield line.strip()
            end = match[1] if (match := _HERE_DOCUMENT.search(line)) else ""


def _prompted(page: str, text: str) -> Iterator[PageCommand]:
    for part in re.split(r"(?m)^\$ ", text)[1:]:
        line, *output = part.rstrip("\n").split("\n")
        yield PageCommand(page, line.strip(), tuple(output))
