"""Replace this process by a new one when it ends."""

from __future__ import annotations

import atexit
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_wanted: Final = [False]
_ours: Final = [False]


def replace_at_exit(replace: Callable[[Sequence[str], Mapping[str, str]], object]) -> None:
    """Let the process be replaced at its end if that is wanted then; call it before any other exit handler is set."""
    _ours[0] = True
    atexit.register(_replace, replace)


def began_as_ours() -> bool:
    """Return whether this process began in `intake_orders`: nothing outside of it decides what it imports."""
    return _ours[0]


def want_replacement() -> None:
    """Replace the process by a new one with the same command line when it ends."""
    _wanted[0] = True


def _replace(replace: Callable[[Sequence[str], Mapping[str, str]], object]) -> None:
    if _wanted[0]:
        from worker.process.environment import environment

        replace([sys.executable, *sys.orig_argv[1:]], environment())
