"""The code that the guide to adapters shows, as files."""

from __future__ import annotations

import re
import tomllib

from support import source_texts

PAGE = (source_texts.ROOT / "deploy" / "docs" / "adapters.md").read_text(encoding="utf-8")
#: A block of code, whose first line may name the file that it is a part of.
_PART = re.compile(r"(?ms)^```(?:python|toml)\n# ([\w.]+)[^\n]*\n(.*?)^```")


def module(name: str) -> str:
    """Return the file that consists of all blocks with this name, in their order."""
    parts = [text.strip("\n") for file, text in _PART.findall(PAGE) if file == name]
    return "\n\n\n".join(parts) + "\n"


def entry_points() -> str:
    """Return the entry points of the pyproject.toml, in the form of an installed package."""
    groups = tomllib.loads(module("pyproject.toml"))["project"]["entry-points"]
    return "".join(
        f"[{group}]\n" + "".join(f"{kind} = {place}\n" for kind, place in points.items())
        for group, points in groups.items()
    )
