"""The text of a Lua script, with the parts that it shares with others in place."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Final

#: A line that stands for another file: what several scripts do alike.
_INCLUDE: Final = re.compile(r"^-- include (\w+)\.lua$", re.MULTILINE)


@cache
def lua_source(name: str) -> str:
    """Return the text of the script `lua/NAME.lua`, with its includes in place."""
    text = resources.files("worker.store").joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda found: lua_source(found[1]), text)


def lua_names() -> list[str]:
    """Return the names of all the scripts."""
    folder = resources.files("worker.store").joinpath("lua")
    return sorted(file.name.removesuffix(".lua") for file in folder.iterdir())
