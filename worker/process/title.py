"""The command line and the name under which `ps` and `top` show a forked process on Linux."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_PR_SET_NAME: Final = 15
#: The number of the first of the fields arg_start, arg_end, env_start and env_end in /proc/self/stat (proc(5)), counted
#: from the one after the name.
_ARG_START: Final = 45
#: Bytes that the kernel shows at most, with the last zero.
_MOST: Final = 4096


def show_as(command: Sequence[str], name: str) -> None:
    """Show this process as `command`, and as `name` where there is no room for that.

    The new text takes the place of the old one and of the environment behind it, which this process must have set anew:
    its variables are elsewhere then. The rest of a longer text is cut off.
    """
    ctypes.CDLL(None).prctl(_PR_SET_NAME, os.fsencode(name))
    fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    start, arg_end, env_start, env_end = (int(field) for field in fields[_ARG_START : _ARG_START + 4])
    old, room = arg_end - start, min((env_end if env_start == arg_end else arg_end) - start, _MOST) - 1
    if not start or old < 2:  # noqa: PLR2004  # a system that does not say where they are
        return
    text = os.fsencode(" ".join(command))[:room] + b"\0"
    # The kernel reads beyond the old text, or up to the first zero, if the old one does not end with a zero any more.
    ctypes.memmove(start, text.ljust(old, b"\1"), max(len(text), old))
