"""The text of the Lua scripts, with their includes in place."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

#: A line that is replaced by another file, which several scripts share.
_INCLUDE: Final = re.compile(r"^-- include (\w+)\.lua$", re.MULTILINE)


#: The first line of a script that a full Redis runs.
MAY_WRITE: Final = "#!lua flags=allow-oom\n"


@cache
def _files() -> dict[str, Traversable]:
    """Return every Lua file below the store by its name; each is in the folder of the Python that calls it."""
    store = resources.files("worker.store")
    folders = [store, *(entry for entry in store.iterdir() if entry.is_dir())]
    files = [file for folder in folders for file in folder.iterdir() if file.name.endswith(".lua")]
    return {file.name.removesuffix(".lua"): file for file in files}


@cache
def lua_source(name: str) -> str:
    """Return the text of the script `NAME.lua`, with its includes in place."""
    text = _files()[name].read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda include: lua_source(include[1]), text)


def lua_names() -> list[str]:
    """Return the names of all Lua files, the included ones too."""
    return sorted(_files())
