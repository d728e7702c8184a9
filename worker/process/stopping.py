"""Whether this process was told to end: what is in hand is finished, nothing more is begun."""

from __future__ import annotations

import mmap
from typing import Final

#: One byte that this process shares with all that are forked from it: the workers of a pool do not hear what their
#: parent is told, because it waits for them.
_ALL: Final = mmap.mmap(-1, 1)
_HERE: Final = [False]


def stop_all() -> None:
    """This process ends, and those of its pool."""
    _ALL[0] = 1


def stop_here() -> None:
    """This process alone ends."""
    _HERE[0] = True


def stopping() -> bool:
    """Whether to come to an end, after the call that is under way."""
    return _HERE[0] or _ALL[0] == 1
