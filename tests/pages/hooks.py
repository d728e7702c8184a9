"""Hooks of MkDocs: add the pages that are made from the code, and keep links into the repository as text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

from pages.reference import commands_page, settings_page

if TYPE_CHECKING:
    from mkdocs.structure.files import Files

#: A link with a relative target.
_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#|mailto:)([^)\s]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the reference."""
    for name, content in {"settings": settings_page(), "commands": commands_page()}.items():
        files.append(File.generated(config, f"reference/{name}.md", content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Replace each link to a file of the repository that is no page by its text and its path."""
    root, here = Path(config["docs_dir"]).parents[1], Path(page.file.abs_src_path or config["docs_dir"]).parent

    def replace(match: re.Match[str]) -> str:
        mark, text, target = match.groups()
        path = (here / target.partition("#")[0]).resolve()
        if mark or path.is_relative_to(config["docs_dir"]) or not path.exists():
            return match[0]
        return f"{text} (`{path.relative_to(root)}`)"

    del files  # of MkDocs' signature
    return _LINK.sub(replace, markdown)
