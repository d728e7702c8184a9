"""Whether this process was asked to stop: it finishes the current call, and begins nothing new."""

from __future__ import annotations

import mmap
from typing import Final

#: One byte that this process shares with every process forked from it. The processes of a pool do not receive the
#: signals of their parent, which waits for them.
_ALL: Final = mmap.mmap(-1, 1)
_HERE: Final = [False]


def stop_all() -> None:
    """Stop this process and those of its pool."""
    _ALL[0] = 1


def stop_here() -> None:
    """Stop this process only."""
    _HERE[0] = True


def stopping() -> bool:
    """Return whether this process must stop after the current call."""
    return _HERE[0] or _ALL[0] == 1
