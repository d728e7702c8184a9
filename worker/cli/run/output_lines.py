"""The lines of `intake up`: the name of a program, and what it printed, folded to the width of the terminal."""

from __future__ import annotations

import os
import textwrap
from typing import Final

#: Columns below which folding would be no help.
_NARROWEST: Final = 40
_INDENT: Final = "  "
#: The descriptor of standard error.
_STDERR: Final = 2


def fold(text: str, taken: int) -> list[str]:
    """Return a line in parts that fit the terminal beside a prefix of `taken` columns; whole where there is none."""
    columns = _columns()
    if columns - taken < _NARROWEST or len(text) <= columns - taken:
        return [text]
    return textwrap.wrap(
        text,
        columns - taken,
        subsequent_indent=_INDENT,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )


def _columns() -> int:
    try:
        # Not that of `sys.stderr`, which is a pipe to a thread that writes (`never_wait`).
        return os.get_terminal_size(_STDERR).columns
    except OSError:  # standard error is not a terminal
        return 0
