"""The blocks of shell commands in a page, as a reader copies them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCK = re.compile(r"(?ms)^( *)```sh\n(.*?)^ *```")


@dataclass(frozen=True)
class Block:
    """Commands; `stays`: they run in a terminal of their own, and go on running."""

    text: str
    stays: bool


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page in their order."""
    for indent, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
        plain = re.sub(rf"(?m)^{indent}", "", text)
        yield Block(plain, stays=plain.startswith("# terminal"))
